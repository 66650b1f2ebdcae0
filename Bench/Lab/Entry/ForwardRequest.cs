using FastExit.Crypto.EndToEnd;

namespace FastExit.Bench.Lab.Entry;

/// <summary>
/// A packet that a client wants in the mixnet (entry-and-directory.md §2.8). Kind 1: type(1) ‖ first hop (7 or 19) ‖ Sphinx packet; kind 2
/// has the rotation (1) behind the type. Only type 0, Sphinx, is known.
/// </summary>
internal readonly ref struct ForwardRequest
{
    public const byte Version1 = 1;
    public const byte Version2 = 2;
    private const byte SphinxType = 0;

    private ForwardRequest(NodeAddress firstHop, KeyRotation rotation, PacketSize size, ReadOnlySpan<byte> packet)
    {
        FirstHop = firstHop;
        Rotation = rotation;
        Size = size;
        Packet = packet;
    }

    public NodeAddress FirstHop { get; }

    public KeyRotation Rotation { get; }

    public PacketSize Size { get; }

    public ReadOnlySpan<byte> Packet { get; }

    /// <returns>False: an unknown kind, type, rotation, address or packet size.</returns>
    public static bool TryRead(byte kind, ReadOnlySpan<byte> payload, out ForwardRequest request)
    {
        request = default;
        int at = kind;
        KeyRotation rotation = KeyRotation.Unknown;
        if (kind is not (Version1 or Version2) || payload.Length <= at || payload[0] != SphinxType
            || (kind == Version2 && !KeyRotation.TryFromByte(payload[1], out rotation))
            || !NodeAddress.TryRead(payload[at..], out NodeAddress firstHop, out int addressBytes))
            return false;
        ReadOnlySpan<byte> packet = payload[(at + addressBytes)..];
        if (!PacketSizes.TryFromPacketBytes(packet.Length, out PacketSize size))
            return false;
        request = new ForwardRequest(firstHop, rotation, size, packet);
        return true;
    }

    /// <summary>Writes what stands in front of the packet and returns its length, 9 to 21 bytes.</summary>
    public static int WriteHead(Span<byte> destination, byte kind, in NodeAddress firstHop, KeyRotation rotation)
    {
        destination[0] = SphinxType;
        if (kind == Version2)
            destination[1] = (byte)rotation;
        return kind + firstHop.WriteCompact(destination[kind..]);
    }
}
