using System.Buffers.Binary;
using FastExit.Policy;

namespace FastExit.IpPacketRouter.Packets;

/// <summary>What reading a packet came to. Only <see cref="Ok"/> may be forwarded.</summary>
public enum IpReadStatus : byte
{
    Ok,

    /// <summary>Shorter than its fixed header, or empty.</summary>
    TooShort,

    /// <summary>Neither 4 nor 6.</summary>
    BadVersion,

    /// <summary>
    /// Header lengths that contradict each other, a chain of extension headers without end, or a source route: it would lead the
    /// packet past the destination that was judged.
    /// </summary>
    BadHeader,

    /// <summary>The length in the header goes beyond the bytes given.</summary>
    LengthBeyondData,

    /// <summary>TCP, UDP or ICMP cut off inside its header.</summary>
    TruncatedTransport,

    /// <summary>
    /// A fragment that holds nothing, ends beyond 65535, is not a multiple of 8 without being the last, or would overwrite the TCP header.
    /// </summary>
    BadFragment,

    /// <summary>An IPv4-mapped address in an IPv6 header: it would pass for the IPv4 address.</summary>
    MappedAddress,
}

/// <summary>
/// What an IPv4 or IPv6 packet says of itself, as offsets into its bytes (RFC 791, RFC 8200; ip-packet-router.md §2.5). Lengths are
/// checked against the bytes, so every offset lies inside <see cref="Bytes"/>; header checksums are not, the kernel judges them.
/// Bytes beyond the header's length are to be cut off: <see cref="Bytes"/> counts.
/// </summary>
public readonly struct IpPacket
{
    public const int IPv4HeaderBytes = 20, IPv6HeaderBytes = 40;

    public const byte Icmp = 1, Tcp = 6, Udp = 17, IcmpV6 = 58;

    internal const int TcpFlagsOffset = 13, TcpChecksumOffset = 16;

    private const byte HopByHop = 0, Routing = 43, Fragment = 44, Authentication = 51, DestinationOptions = 60, Mobility = 135;

    private const byte EndOfOptions = 0, NoOperation = 1, LooseSourceRoute = 131, StrictSourceRoute = 137;

    private const int MostExtensionHeaders = 16;

    private IpPacket(in Header header, NumericAddress source, NumericAddress destination, ushort sourcePort, ushort destinationPort)
    {
        IsIPv6 = header.IsIPv6;
        Bytes = header.Bytes;
        Protocol = header.Protocol;
        TransportOffset = header.TransportOffset;
        IsFragment = header.IsFragment;
        FragmentId = header.FragmentId;
        FragmentOffset = header.FragmentOffset;
        MoreFragments = header.MoreFragments;
        FragmentEnd = header.FragmentEnd;
        AsksRouters = header.AsksRouters;
        Source = source;
        Destination = destination;
        SourcePort = sourcePort;
        DestinationPort = destinationPort;
    }

    public bool IsIPv6 { get; }

    /// <summary>Length by the header; at most the bytes given.</summary>
    public int Bytes { get; }

    /// <summary>Upper protocol, after IPv6 extension headers. Of a later fragment: what its fragment header names.</summary>
    public byte Protocol { get; }

    /// <summary>Where the upper protocol starts: the bytes of all headers before it.</summary>
    public int TransportOffset { get; }

    public NumericAddress Source { get; }

    public NumericAddress Destination { get; }

    /// <summary>Of TCP and UDP, else 0; of a later fragment 0.</summary>
    public ushort SourcePort { get; }

    public ushort DestinationPort { get; }

    public bool IsFragment { get; }

    public uint FragmentId { get; }

    /// <summary>In bytes.</summary>
    public int FragmentOffset { get; }

    public bool MoreFragments { get; }

    /// <summary>Where this fragment's bytes end, counted as <see cref="FragmentOffset"/> is: behind the IPv6 fragment header.</summary>
    public int FragmentEnd { get; }

    /// <summary>IPv4 options other than padding, or an IPv6 hop-by-hop header: every router on the way is to look at it.</summary>
    public bool AsksRouters { get; }

    /// <summary>A whole packet or the first fragment: the transport header is here.</summary>
    public bool HasTransport => FragmentOffset == 0;

    public bool IsFirstFragment => IsFragment && FragmentOffset == 0;

    public bool HasPorts => HasTransport && Protocol is Tcp or Udp;

    /// <summary>Of its own family: ICMPv6 in IPv4 is a protocol like any other.</summary>
    public bool IsIcmp => Protocol == (IsIPv6 ? IcmpV6 : Icmp);

    public static IpReadStatus TryRead(ReadOnlySpan<byte> data, out IpPacket packet)
    {
        packet = default;
        if (data.IsEmpty)
            return IpReadStatus.TooShort;
        var header = default(Header);
        IpReadStatus status = (data[0] >> 4) switch
        {
            4 => header.ReadIPv4(data),
            6 => header.ReadIPv6(data),
            _ => IpReadStatus.BadVersion,
        };
        if (status != IpReadStatus.Ok)
            return status;

        int address = header.IsIPv6 ? 8 : 12;
        int addressBytes = header.IsIPv6 ? 16 : 4;
        NumericAddress source = NumericAddress.FromBytes(data.Slice(address, addressBytes));
        NumericAddress destination = NumericAddress.FromBytes(data.Slice(address + addressBytes, addressBytes));
        if (source.IsIPv6 != header.IsIPv6 || destination.IsIPv6 != header.IsIPv6)
            return IpReadStatus.MappedAddress;

        ReadOnlySpan<byte> transport = data[header.TransportOffset..header.Bytes];
        status = header.FragmentOffset == 0 ? CheckTransport(header.Protocol, transport) : CheckFollower(header);
        if (status != IpReadStatus.Ok)
            return status;
        bool hasPorts = header.FragmentOffset == 0 && header.Protocol is Tcp or Udp;
        packet = new IpPacket(
            header,
            source,
            destination,
            hasPorts ? BinaryPrimitives.ReadUInt16BigEndian(transport) : (ushort)0,
            hasPorts ? BinaryPrimitives.ReadUInt16BigEndian(transport[2..]) : (ushort)0);
        return IpReadStatus.Ok;
    }

    private static IpReadStatus CheckTransport(byte protocol, ReadOnlySpan<byte> transport)
    {
        int least = protocol switch
        {
            Tcp => 20,
            Udp or Icmp or IcmpV6 => 8,
            _ => 0,
        };
        if (transport.Length < least)
            return IpReadStatus.TruncatedTransport;
        if (protocol != Tcp)
            return IpReadStatus.Ok;
        int tcpHeader = (transport[12] >> 4) * 4;
        return tcpHeader < least || tcpHeader > transport.Length ? IpReadStatus.TruncatedTransport : IpReadStatus.Ok;
    }

    // What else a follower must not overwrite, its first fragment knows: see FragmentCache.
    private static IpReadStatus CheckFollower(in Header header) =>
        header.Protocol == Tcp && header.FragmentOffset < 20 ? IpReadStatus.BadFragment : IpReadStatus.Ok;

    private struct Header
    {
        public bool IsIPv6, IsFragment, MoreFragments, AsksRouters;
        public int Bytes, TransportOffset, FragmentOffset, FragmentEnd;
        public uint FragmentId;
        public byte Protocol;

        public IpReadStatus ReadIPv4(ReadOnlySpan<byte> data)
        {
            if (data.Length < IPv4HeaderBytes)
                return IpReadStatus.TooShort;
            TransportOffset = (data[0] & 15) * 4;
            Bytes = BinaryPrimitives.ReadUInt16BigEndian(data[2..]);
            if (TransportOffset < IPv4HeaderBytes || Bytes < TransportOffset)
                return IpReadStatus.BadHeader;
            if (Bytes > data.Length)
                return IpReadStatus.LengthBeyondData;
            ushort fragment = BinaryPrimitives.ReadUInt16BigEndian(data[6..]);
            FragmentId = BinaryPrimitives.ReadUInt16BigEndian(data[4..]);
            FragmentOffset = (fragment & 0x1FFF) * 8;
            MoreFragments = (fragment & 0x2000) != 0;
            Protocol = data[9];
            return ReadOptions(data[IPv4HeaderBytes..TransportOffset])
                ? CheckFragment(TransportOffset, TransportOffset)
                : IpReadStatus.BadHeader;
        }

        public IpReadStatus ReadIPv6(ReadOnlySpan<byte> data)
        {
            IsIPv6 = true;
            if (data.Length < IPv6HeaderBytes)
                return IpReadStatus.TooShort;
            Bytes = IPv6HeaderBytes + BinaryPrimitives.ReadUInt16BigEndian(data[4..]);
            if (Bytes > data.Length)
                return IpReadStatus.LengthBeyondData;
            Protocol = data[6];
            TransportOffset = IPv6HeaderBytes;
            int fragmentStart = IPv6HeaderBytes, headersBeforeFragment = 0;
            for (int headers = 0; headers < MostExtensionHeaders; headers++)
            {
                if (Protocol is not (HopByHop or Routing or Fragment or Authentication or DestinationOptions or Mobility))
                    return CheckFragment(fragmentStart, headersBeforeFragment);
                ReadOnlySpan<byte> extension = data[TransportOffset..Bytes];
                if (extension.Length < 8 || (Protocol == HopByHop && headers > 0) || (Protocol == Fragment && IsFragment)
                    || (Protocol == Routing && extension[3] != 0))
                    return IpReadStatus.BadHeader;
                AsksRouters |= Protocol == HopByHop;
                int bytes = Protocol switch
                {
                    Fragment => 8,
                    Authentication => (extension[1] + 2) * 4,
                    _ => (extension[1] + 1) * 8,
                };
                if (bytes > extension.Length)
                    return IpReadStatus.BadHeader;
                if (Protocol == Fragment)
                {
                    ushort fragment = BinaryPrimitives.ReadUInt16BigEndian(extension[2..]);
                    IsFragment = true;
                    FragmentOffset = fragment & 0xFFF8;
                    MoreFragments = (fragment & 1) != 0;
                    FragmentId = BinaryPrimitives.ReadUInt32BigEndian(extension[4..]);
                    fragmentStart = TransportOffset + bytes;
                    headersBeforeFragment = TransportOffset - IPv6HeaderBytes;
                }

                Protocol = extension[0];
                TransportOffset += bytes;
                if (FragmentOffset > 0)
                    return CheckFragment(fragmentStart, headersBeforeFragment);
            }

            return IpReadStatus.BadHeader;
        }

        // The whole datagram's length field counts IPv4's header and IPv6's extension headers too.
        private IpReadStatus CheckFragment(int start, int headersInLength)
        {
            IsFragment |= FragmentOffset > 0 || MoreFragments;
            FragmentEnd = FragmentOffset + Bytes - start;
            bool isPart = FragmentOffset > 0 || MoreFragments;
            bool bad = isPart && (Bytes == start || FragmentEnd + headersInLength > ushort.MaxValue || (MoreFragments && (Bytes - start) % 8 != 0));
            return bad ? IpReadStatus.BadFragment : IpReadStatus.Ok;
        }

        // False: a source route, or lengths that lead nowhere.
        private bool ReadOptions(ReadOnlySpan<byte> options)
        {
            while (!options.IsEmpty && options[0] != EndOfOptions)
            {
                if (options[0] is LooseSourceRoute or StrictSourceRoute)
                    return false;
                bool padding = options[0] == NoOperation;
                int bytes = padding ? 1 : options.Length > 1 ? options[1] : 0;
                if (bytes > options.Length || bytes < (padding ? 1 : 2))
                    return false;
                AsksRouters |= !padding;
                options = options[bytes..];
            }

            return true;
        }
    }
}
