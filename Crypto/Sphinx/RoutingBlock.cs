using System.Buffers.Binary;
using FastExit.Crypto.Primitives;

namespace FastExit.Crypto.Sphinx;

// One hop's decrypted routing block and the code over the encrypted ones (sphinx.md §2.1, §2.2).
//
//   forward: flag 1 | 0x00 | version u16 BE | next address 32 | delay u64 BE ns | next MAC 16 | next beta
//   final:   flag 2 | 0x00 | version u16 BE | destination 32 | identifier 16 | padding
internal static class RoutingBlock
{
    public const byte ForwardFlag = 1, FinalFlag = 2;
    public const int VersionOffset = 2, AddressOffset = 4, DelayOffset = 36, MacOffset = 44, NextOffset = 60;
    public const int DestinationOffset = 4, IdentifierOffset = 36;

    // Whole cipher blocks that hold everything a hop reads before it deals with the payload.
    public const int MetaBytes = 64;

    public static void WriteForward(
        Span<byte> block, ushort version, ReadOnlySpan<byte> nextAddress, ulong delay, ReadOnlySpan<byte> nextMac)
    {
        WriteStart(block, ForwardFlag, version);
        nextAddress.CopyTo(block[AddressOffset..]);
        BinaryPrimitives.WriteUInt64BigEndian(block[DelayOffset..], delay);
        nextMac.CopyTo(block[MacOffset..]);
    }

    public static void WriteFinal(
        Span<byte> block, ushort version, ReadOnlySpan<byte> destination, ReadOnlySpan<byte> identifier)
    {
        WriteStart(block, FinalFlag, version);
        destination.CopyTo(block[DestinationOffset..]);
        identifier.CopyTo(block[IdentifierOffset..]);
    }

    /// <summary>mac = first 16 bytes of HMAC-SHA-256 over the 300 encrypted bytes.</summary>
    public static void ComputeMac(ReadOnlySpan<byte> key, ReadOnlySpan<byte> routing, Span<byte> mac)
    {
        Span<byte> full = stackalloc byte[HmacSha256.MacBytes];
        HmacSha256.Compute(key, routing, full);
        full[..SphinxSizes.MacBytes].CopyTo(mac);
    }

    private static void WriteStart(Span<byte> block, byte flag, ushort version)
    {
        block[0] = flag;
        block[1] = 0;
        BinaryPrimitives.WriteUInt16BigEndian(block[VersionOffset..], version);
    }
}
