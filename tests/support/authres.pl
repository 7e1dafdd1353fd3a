# How SpamAssassin's AuthRes plugin reads the Authentication-Results field by mx.example.org in the message on stdin.
# The argument is its authres_networks, `all` without one.
# Prints a line for each property, `METHOD RESULT PTYPE.PROPERTY VALUE`, or `METHOD RESULT` if there is none.
use strict;
use warnings;
use Mail::SpamAssassin;

local $/;
my $checker = Mail::SpamAssassin->new({
    dont_copy_prefs => 1, local_tests_only => 1, require_rules => 0,
    config_text => "loadplugin Mail::SpamAssassin::Plugin::AuthRes\nutil_rb_tld example org net test\n"
        . "authres_networks " . ($ARGV[0] || "all") . "\nauthres_trusted_authserv mx.example.org\n",
});
$checker->init(0);
my $status = Mail::SpamAssassin::PerMsgStatus->new($checker, $checker->parse(scalar <STDIN>));
$status->extract_message_metadata();
my $parsed = $status->{authres_parsed} || {};
for my $method (sort keys %$parsed) {
    for my $one (@{ $parsed->{$method} }) {
        my $properties = $one->{properties};
        print "$method $one->{result}\n" unless %$properties;
        for my $ptype (sort keys %$properties) {
            for my $name (sort keys %{ $properties->{$ptype} }) {
                print "$method $one->{result} $ptype.$name $properties->{$ptype}{$name}\n";
            }
        }
    }
}
