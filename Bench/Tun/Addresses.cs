using System.Buffers.Binary;
using System.Net;

namespace FastExit.Bench.Tun;

/// <summary>Host-order numbers as the framework's addresses.</summary>
internal static class Addresses
{
    public static IPAddress From(uint ipv4)
    {
        Span<byte> bytes = stackalloc byte[4];
        BinaryPrimitives.WriteUInt32BigEndian(bytes, ipv4);
        return new IPAddress(bytes);
    }

    public static IPAddress From(UInt128 ipv6)
    {
        Span<byte> bytes = stackalloc byte[16];
        BinaryPrimitives.WriteUInt128BigEndian(bytes, ipv6);
        return new IPAddress(bytes);
    }
}
