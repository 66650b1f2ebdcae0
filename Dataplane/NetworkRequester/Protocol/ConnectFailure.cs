namespace FastExit.NetworkRequester.Protocol;

/// <summary>Why a connection could not be made, as a ConnectionError says it.</summary>
public enum ConnectFailure : byte
{
    /// <summary>A text of another implementation.</summary>
    Unknown,

    /// <summary>The destination answered with a reset.</summary>
    Refused,

    /// <summary>No way to the host.</summary>
    Unreachable,

    /// <summary>No way to its network.</summary>
    NetworkUnreachable,

    /// <summary>Exit policy or address guard.</summary>
    Denied,

    /// <summary>The name does not exist or has no address.</summary>
    NotFound,

    /// <summary>The resolver did not answer or answered with an error.</summary>
    Resolver,

    /// <summary>No address answered in time.</summary>
    Timeout,

    /// <summary>`host:port` is not valid.</summary>
    Malformed,

    /// <summary>A limit of the exit is reached, or it is going down.</summary>
    Limit,
}

/// <summary>
/// Text of a ConnectionError: <c>word: explanation</c>. The word tells the reason to a program, the explanation to a person. The one
/// text of the reference, <c>Domain "…" failed filter check</c>, reads as <see cref="ConnectFailure.Denied"/>.
/// </summary>
public static class ConnectFailureText
{
    /// <summary>Bytes of the longest text.</summary>
    public const int MaximumBytes = 96;

    private const int Reasons = (int)ConnectFailure.Limit + 1;

    /// <summary>UTF-8, constant.</summary>
    public static ReadOnlySpan<byte> For(ConnectFailure failure) => failure switch
    {
        ConnectFailure.Refused => "refused: the destination refused the connection"u8,
        ConnectFailure.Unreachable => "unreachable: no route to the destination"u8,
        ConnectFailure.NetworkUnreachable => "network-unreachable: no route to the destination's network"u8,
        ConnectFailure.Denied => "denied: the exit's policy does not allow this destination"u8,
        ConnectFailure.NotFound => "not-found: the name has no address"u8,
        ConnectFailure.Resolver => "resolver: the name could not be resolved now"u8,
        ConnectFailure.Timeout => "timeout: the destination did not answer in time"u8,
        ConnectFailure.Malformed => "malformed: expected host:port with a port from 1 to 65535"u8,
        ConnectFailure.Limit => "limit: the exit takes no more connections now"u8,
        _ => "failed: the connection could not be made"u8,
    };

    public static ConnectFailure Parse(ReadOnlySpan<byte> text)
    {
        for (int i = 1; i < Reasons; i++)
        {
            ReadOnlySpan<byte> known = For((ConnectFailure)i);
            if (text.StartsWith(known[..(known.IndexOf((byte)':') + 1)]))
                return (ConnectFailure)i;
        }

        return text.EndsWith("failed filter check"u8) ? ConnectFailure.Denied : ConnectFailure.Unknown;
    }
}
