# What SpamAssassin's own parser makes of the Received headers of the message on stdin: one line a relay,
# as in X-Spam-Relays-Untrusted.
use strict;
use warnings;
use Mail::SpamAssassin;

local $/;
my $checker = Mail::SpamAssassin->new({
    dont_copy_prefs => 1, local_tests_only => 1, require_rules => 0,
    config_text => "clear_trusted_networks\ntrusted_networks 203.0.113.1\nutil_rb_tld example org net test\n",
});
$checker->init(0);
my $message = $checker->parse(scalar <STDIN>);
$message->extract_message_metadata(Mail::SpamAssassin::PerMsgStatus->new($checker, $message));
for my $relay (@{ $message->{metadata}->{relays_untrusted} }, @{ $message->{metadata}->{relays_trusted} }) {
    print $relay->{as_string}, "\n";
}
print "unparseable\n" if $message->{metadata}->{num_relays_unparseable};
