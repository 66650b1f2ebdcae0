using System.Buffers.Binary;
using System.Net;
using System.Text;

namespace FastExit.Bench.Socks;

internal enum SocksVersion : byte
{
    None = 0,
    Four = 4,
    Five = 5,
}

/// <summary>What the owner of the socket has to do after <see cref="SocksNegotiation.Advance"/>.</summary>
internal enum SocksStep : byte
{
    /// <summary>Read more bytes; nothing was consumed.</summary>
    NeedMore,

    /// <summary>Send the reply, then advance again.</summary>
    Reply,

    /// <summary>The request is complete; whatever lies behind the consumed bytes is the application's own data.</summary>
    Request,

    /// <summary>Send the reply, then close.</summary>
    Refuse,

    /// <summary>Close without a word: this is not SOCKS.</summary>
    Close,
}

/// <summary>User and password that SOCKS5 clients must show (RFC 1929).</summary>
internal sealed record SocksCredentials(string User, string Password);

/// <summary>
/// One client's way through SOCKS4, SOCKS4a or SOCKS5 (RFC 1928, RFC 1929) up to its CONNECT request, fed with whatever bytes have
/// arrived. Holds no buffer: unconsumed bytes must be offered again with more behind them.
/// Never needs more than <see cref="MaximumInputBytes"/> at once.
/// </summary>
internal sealed class SocksNegotiation(SocksCredentials? credentials)
{
    /// <summary>The longest single step: SOCKS4a with a full user id and host name (8 + 256 + 256), RFC 1929 (513).</summary>
    public const int MaximumInputBytes = 520;

    private const int MaximumUserBytes = 255;
    private const int MaximumHostBytes = 253;
    private const byte NoAuthentication = 0;
    private const byte UserPassword = 2;
    private const byte NoneAcceptable = 0xFF;

    private Phase _phase;

    private enum Phase : byte
    {
        Version,
        Password,
        Request5,
        Done,
    }

    public SocksVersion Version { get; private set; }

    /// <summary>Name, dotted IPv4 or bracketed IPv6, as it is put before the port in a request to the service.</summary>
    public string Host { get; private set; } = "";

    public int Port { get; private set; }

    public string HostPort => $"{Host}:{Port}";

    /// <param name="input">Everything received and not consumed yet.</param>
    /// <param name="consumed">Bytes of <paramref name="input"/> this step used.</param>
    /// <param name="reply">At least <see cref="SocksReply.MaximumBytes"/>.</param>
    /// <param name="replyBytes">Bytes of <paramref name="reply"/> to send.</param>
    public SocksStep Advance(ReadOnlySpan<byte> input, out int consumed, Span<byte> reply, out int replyBytes)
    {
        consumed = 0;
        replyBytes = 0;
        if (_phase == Phase.Done)
            return SocksStep.Close;
        if (input.IsEmpty)
            return SocksStep.NeedMore;
        SocksStep step = _phase switch
        {
            Phase.Password => Password(input, ref consumed, reply, ref replyBytes),
            Phase.Request5 => Request5(input, ref consumed, reply, ref replyBytes),
            _ => input[0] switch
            {
                4 => Request4(input, ref consumed, reply, ref replyBytes),
                5 => Methods(input, ref consumed, reply, ref replyBytes),
                _ => SocksStep.Close,
            },
        };
        if (step is SocksStep.Request or SocksStep.Refuse or SocksStep.Close)
            _phase = Phase.Done;
        return step;
    }

    private SocksStep Methods(ReadOnlySpan<byte> input, ref int consumed, Span<byte> reply, ref int replyBytes)
    {
        Version = SocksVersion.Five;
        if (input.Length < 2 || input.Length < 2 + input[1])
            return SocksStep.NeedMore;
        ReadOnlySpan<byte> methods = input.Slice(2, input[1]);
        consumed = 2 + methods.Length;
        bool password = methods.Contains(UserPassword);
        bool open = credentials is null && methods.Contains(NoAuthentication);
        reply[0] = 5;
        reply[1] = open ? NoAuthentication : password ? UserPassword : NoneAcceptable;
        replyBytes = 2;
        if (reply[1] == NoneAcceptable)
            return SocksStep.Refuse;
        _phase = open ? Phase.Request5 : Phase.Password;
        return SocksStep.Reply;
    }

    private SocksStep Password(ReadOnlySpan<byte> input, ref int consumed, Span<byte> reply, ref int replyBytes)
    {
        if (input[0] != 1)
            return SocksStep.Close;
        if (input.Length < 2)
            return SocksStep.NeedMore;
        int userBytes = input[1];
        if (input.Length < 3 + userBytes)
            return SocksStep.NeedMore;
        int passwordBytes = input[2 + userBytes];
        if (input.Length < 3 + userBytes + passwordBytes)
            return SocksStep.NeedMore;
        consumed = 3 + userBytes + passwordBytes;

        // Without configured credentials any pair passes: some programs insist on sending one.
        bool granted = credentials is null
            || (input.Slice(2, userBytes).SequenceEqual(Encoding.UTF8.GetBytes(credentials.User))
                & input.Slice(3 + userBytes, passwordBytes).SequenceEqual(Encoding.UTF8.GetBytes(credentials.Password)));
        reply[0] = 1;
        reply[1] = granted ? (byte)0 : (byte)1;
        replyBytes = 2;
        _phase = Phase.Request5;
        return granted ? SocksStep.Reply : SocksStep.Refuse;
    }

    private SocksStep Request5(ReadOnlySpan<byte> input, ref int consumed, Span<byte> reply, ref int replyBytes)
    {
        if (input[0] != 5)
            return Refuse(SocksOutcome.GeneralFailure, reply, ref replyBytes);
        if (input.Length < 5)
            return SocksStep.NeedMore;
        int addressOffset = input[3] == 3 ? 5 : 4;
        int addressBytes = input[3] switch { 1 => 4, 3 => input[4], 4 => 16, _ => -1 };
        if (addressBytes < 0)
            return Refuse(SocksOutcome.AddressTypeNotSupported, reply, ref replyBytes);
        if (input.Length < addressOffset + addressBytes + 2)
            return SocksStep.NeedMore;
        consumed = addressOffset + addressBytes + 2;
        if (input[1] != 1)
            return Refuse(SocksOutcome.CommandNotSupported, reply, ref replyBytes);
        ReadOnlySpan<byte> address = input.Slice(addressOffset, addressBytes);
        Port = BinaryPrimitives.ReadUInt16BigEndian(input[(addressOffset + addressBytes)..]);
        if (input[3] == 3)
        {
            if (!TryHost(address))
                return Refuse(SocksOutcome.GeneralFailure, reply, ref replyBytes);
        }
        else
        {
            SetAddress(new IPAddress(address));
        }

        return Port == 0 ? Refuse(SocksOutcome.GeneralFailure, reply, ref replyBytes) : SocksStep.Request;
    }

    private SocksStep Request4(ReadOnlySpan<byte> input, ref int consumed, Span<byte> reply, ref int replyBytes)
    {
        Version = SocksVersion.Four;
        if (input.Length < 9)
            return SocksStep.NeedMore;
        int userBytes = input[8..].IndexOf((byte)0);
        if (userBytes > MaximumUserBytes || (userBytes < 0 && input.Length - 8 > MaximumUserBytes))
            return Refuse(SocksOutcome.GeneralFailure, reply, ref replyBytes);
        if (userBytes < 0)
            return SocksStep.NeedMore;
        ReadOnlySpan<byte> address = input.Slice(4, 4);
        bool named = address[0] == 0 && address[1] == 0 && address[2] == 0 && address[3] != 0;
        ReadOnlySpan<byte> host = default;
        consumed = 9 + userBytes;
        if (named)
        {
            ReadOnlySpan<byte> rest = input[consumed..];
            int hostBytes = rest.IndexOf((byte)0);
            if (hostBytes > MaximumUserBytes || (hostBytes < 0 && rest.Length > MaximumUserBytes))
                return Refuse(SocksOutcome.GeneralFailure, reply, ref replyBytes);
            if (hostBytes < 0)
            {
                consumed = 0;
                return SocksStep.NeedMore;
            }

            host = rest[..hostBytes];
            consumed += hostBytes + 1;
        }

        Port = BinaryPrimitives.ReadUInt16BigEndian(input[2..]);
        if (input[1] != 1 || Port == 0)
            return Refuse(SocksOutcome.CommandNotSupported, reply, ref replyBytes);
        if (!named)
            SetAddress(new IPAddress(address));
        else if (!TryHost(host))
            return Refuse(SocksOutcome.GeneralFailure, reply, ref replyBytes);
        return SocksStep.Request;
    }

    private SocksStep Refuse(SocksOutcome outcome, Span<byte> reply, ref int replyBytes)
    {
        replyBytes = SocksReply.Write(Version, outcome, reply);
        return SocksStep.Refuse;
    }

    private void SetAddress(IPAddress address)
    {
        if (address.IsIPv4MappedToIPv6)
            address = address.MapToIPv4();
        Host = address.GetAddressBytes().Length == 16 ? $"[{address}]" : address.ToString();
    }

    // Names travel as text to a resolver: only the characters a host name has. An address written as a name is taken as an address.
    private bool TryHost(ReadOnlySpan<byte> name)
    {
        if (name.IsEmpty || name.Length > MaximumHostBytes)
            return false;
        bool colon = false;
        foreach (byte c in name)
        {
            bool plain = char.IsAsciiLetterOrDigit((char)c) || c is (byte)'-' or (byte)'_' or (byte)'.';
            bool bracket = c is (byte)':' or (byte)'[' or (byte)']';
            if (!plain && !bracket)
                return false;
            colon |= bracket;
        }

        string text = Encoding.ASCII.GetString(name);
        if (colon)
        {
            if (!IPAddress.TryParse(text, out IPAddress? address))
                return false;
            SetAddress(address);
            return true;
        }

        Host = text;
        return true;
    }
}
