using System.Buffers.Binary;
using FastExit.Policy;
using FastExit.Serialization;

namespace FastExit.IpPacketRouter.Protocol;

/// <summary>
/// The two addresses of a tunnel, host-order values; 20 bytes on the wire: IPv4, then IPv6, network order (ip-packet-router.md §1.1).
/// </summary>
public readonly record struct AddressPair(uint IPv4, UInt128 IPv6)
{
    public const int Bytes = 20;

    private const int IPv4Bytes = 4;

    /// <summary>True for either address of the pair.</summary>
    public bool Contains(in NumericAddress address) => address.Bits == (address.IsIPv6 ? IPv6 : IPv4);

    public static bool TryRead(ref BincodeReader reader, out AddressPair pair)
    {
        bool read = reader.TryReadFixed(Bytes, out ReadOnlySpan<byte> bytes);
        pair = read
            ? new AddressPair(BinaryPrimitives.ReadUInt32BigEndian(bytes), BinaryPrimitives.ReadUInt128BigEndian(bytes[IPv4Bytes..]))
            : default;
        return read;
    }

    public bool TryWrite(ref BincodeWriter writer)
    {
        Span<byte> bytes = stackalloc byte[Bytes];
        BinaryPrimitives.WriteUInt32BigEndian(bytes, IPv4);
        BinaryPrimitives.WriteUInt128BigEndian(bytes[IPv4Bytes..], IPv6);
        return writer.TryWriteFixed(bytes);
    }
}
