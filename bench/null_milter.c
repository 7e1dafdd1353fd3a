/* A milter that is told everything and lets everything pass: null_milter SOCKET, as inet:PORT@127.0.0.1. */
#include <libmilter/mfapi.h>
#include <stdio.h>
#include <stdlib.h>

static sfsistat on_connect(SMFICTX *context, char *host, _SOCK_ADDR *address)
{
    return SMFIS_CONTINUE;
}

static sfsistat on_word(SMFICTX *context, char *word)
{
    return SMFIS_CONTINUE;
}

static sfsistat on_words(SMFICTX *context, char **words)
{
    return SMFIS_CONTINUE;
}

static sfsistat on_header(SMFICTX *context, char *name, char *value)
{
    return SMFIS_CONTINUE;
}

static sfsistat on_nothing(SMFICTX *context)
{
    return SMFIS_CONTINUE;
}

static sfsistat on_body(SMFICTX *context, unsigned char *piece, size_t length)
{
    return SMFIS_CONTINUE;
}

int main(int argc, char **argv)
{
    struct smfiDesc description = {
        .xxfi_name = "null",
        .xxfi_version = SMFI_VERSION,
        .xxfi_connect = on_connect,
        .xxfi_helo = on_word,
        .xxfi_envfrom = on_words,
        .xxfi_envrcpt = on_words,
        .xxfi_header = on_header,
        .xxfi_eoh = on_nothing,
        .xxfi_body = on_body,
        .xxfi_eom = on_nothing,
    };

    if (argc != 2 || smfi_setconn(argv[1]) != MI_SUCCESS || smfi_register(description) != MI_SUCCESS)
        return 100;
    return smfi_main() == MI_SUCCESS ? 0 : 111;
}
