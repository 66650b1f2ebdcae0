using System.Text;
using FastExit.Bench.Socks;
using FastExit.NetworkRequester.Protocol;

namespace FastExit.Bench.Client;

/// <summary>How opening a connection ended: connected, or why not, with the service's own words for a person.</summary>
internal sealed record ConnectOutcome(bool Connected, ConnectFailure Failure, string Reason)
{
    private const int MaximumReasonBytes = 300;

    public static ConnectOutcome Success { get; } = new(true, ConnectFailure.Unknown, "");

    /// <summary>Closed without a reason: how services without reason texts report every TCP failure (network-requester.md §4.9).</summary>
    public static ConnectOutcome ClosedUnexplained { get; } =
        new(false, ConnectFailure.Refused, "the service closed the connection without a reason");

    public static ConnectOutcome TimedOut { get; } = new(false, ConnectFailure.Timeout, "no answer from the service");

    public static ConnectOutcome From(ReadOnlySpan<byte> text) =>
        new(false, ConnectFailureText.Parse(text), Printable(text[..Math.Min(text.Length, MaximumReasonBytes)]));

    public SocksOutcome ToSocks() => (Connected, Failure) switch
    {
        (true, _) => SocksOutcome.Granted,
        (_, ConnectFailure.Refused) => SocksOutcome.ConnectionRefused,
        (_, ConnectFailure.NetworkUnreachable) => SocksOutcome.NetworkUnreachable,
        (_, ConnectFailure.Unreachable or ConnectFailure.NotFound or ConnectFailure.Resolver) => SocksOutcome.HostUnreachable,
        (_, ConnectFailure.Denied) => SocksOutcome.NotAllowed,
        (_, ConnectFailure.Timeout) => SocksOutcome.TimeToLiveExpired,
        _ => SocksOutcome.GeneralFailure,
    };

    // The text comes from a stranger and ends on a terminal.
    private static string Printable(ReadOnlySpan<byte> text)
    {
        char[] characters = Encoding.UTF8.GetString(text).ToCharArray();
        for (int i = 0; i < characters.Length; i++)
        {
            if (char.IsControl(characters[i]))
                characters[i] = '?';
        }

        return new string(characters);
    }
}
