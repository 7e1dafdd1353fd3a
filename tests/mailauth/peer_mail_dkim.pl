#!/usr/bin/perl
# What Mail::DKIM says of messages. Standard input is JSON, [[message with CRLF in base64, {name: record}], ..]; output
# a list of "result reason" for each message. The DNS is the table of the message.
use strict;
use warnings;
use JSON::PP;
use MIME::Base64;
use Mail::DKIM::Verifier;

my %keys;

{
    no warnings 'redefine';
    *Mail::DKIM::DNS::query = sub {
        my ($name) = @_;
        my $record = $keys{ lc $name };
        return defined $record ? bless( \$record, 'Record' ) : ();
    };
    *Mail::DKIM::DNS::query_async = sub {
        my ( $name, $type, %options ) = @_;
        my @found = Mail::DKIM::DNS::query($name);
        return sub { $options{Callbacks}{Success}->(@found) };
    };
}

my @results;
for my $world ( @{ decode_json( join '', <STDIN> ) } ) {
    %keys = %{ $world->[1] };
    my $verifier = Mail::DKIM::Verifier->new( Strict => 1 );
    $verifier->PRINT( decode_base64( $world->[0] ) );
    $verifier->CLOSE;
    push @results, [ map { $_->result_detail } $verifier->signatures ];
}
print encode_json( \@results );

package Record;
sub type    { 'TXT' }
sub txtdata { ${ $_[0] } }
sub char_str_list { ${ $_[0] } }
