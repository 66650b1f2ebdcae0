using System.Buffers.Binary;
using System.Net;
using System.Net.Sockets;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace FastExit.Native.Sockets;

/// <summary>
/// An IPv4 or IPv6 address with a port: blittable, 24 bytes, no allocation. The sixteen address bytes are kept in
/// network order; an IPv4 address fills the first four and leaves the rest zero, so equality is bytewise.
/// <c>default</c> is the IPv4 address 0.0.0.0, port 0.
/// </summary>
[StructLayout(LayoutKind.Sequential)]
public readonly struct EndpointAddress : IEquatable<EndpointAddress>
{
    /// <summary>Room for the larger <c>sockaddr_in6</c>.</summary>
    internal const int MaximumSocketAddressBytes = 28;

    private const int SocketAddressV4Bytes = 16;
    private const ushort FamilyV4 = 2;
    private const ushort FamilyV6 = 10;

    private readonly AddressBytes address;
    private readonly uint scope;
    private readonly ushort port;
    private readonly bool isIPv6;

    private EndpointAddress(ReadOnlySpan<byte> bytes, ushort port, uint scope)
    {
        bytes.CopyTo(address);
        this.port = port;
        this.scope = scope;
        isIPv6 = bytes.Length == 16;
    }

    public bool IsIPv6 => isIPv6;

    /// <summary>Host byte order.</summary>
    public ushort Port => port;

    /// <summary>Interface index of a link-local IPv6 address, else 0.</summary>
    public uint ScopeId => scope;

    /// <summary>4 or 16.</summary>
    public int AddressLength => isIPv6 ? 16 : 4;

    public static EndpointAddress From(IPEndPoint endpoint)
    {
        ArgumentNullException.ThrowIfNull(endpoint);
        Span<byte> bytes = stackalloc byte[16];
        if (!endpoint.Address.TryWriteBytes(bytes, out int written))
            throw new ArgumentException($"{endpoint} is not an IP endpoint", nameof(endpoint));
        uint scope = written == 16 ? (uint)endpoint.Address.ScopeId : 0;
        return new EndpointAddress(bytes[..written], (ushort)endpoint.Port, scope);
    }

    /// <param name="address">Most significant byte first: 0x7F000001 is 127.0.0.1.</param>
    /// <param name="port">Host byte order.</param>
    public static EndpointAddress IPv4(uint address, ushort port)
    {
        Span<byte> bytes = stackalloc byte[4];
        BinaryPrimitives.WriteUInt32BigEndian(bytes, address);
        return new EndpointAddress(bytes, port, 0);
    }

    public static EndpointAddress IPv4(byte first, byte second, byte third, byte fourth, ushort port) =>
        new([first, second, third, fourth], port, 0);

    /// <summary>From 4 or 16 address bytes in network order.</summary>
    /// <exception cref="ArgumentException">Any other length.</exception>
    public static EndpointAddress FromBytes(ReadOnlySpan<byte> address, ushort port)
    {
        if (address.Length is not (4 or 16))
            throw new ArgumentException("An address has 4 or 16 bytes", nameof(address));
        return new EndpointAddress(address, port, 0);
    }

    /// <summary>The IPv4 address that an IPv4-mapped IPv6 address stands for (RFC 4291 §2.5.5.2); any other is itself.</summary>
    public EndpointAddress Unmapped()
    {
        ReadOnlySpan<byte> bytes = address;
        return isIPv6 && bytes[..10].IndexOfAnyExcept((byte)0) < 0 && bytes[10] == 0xFF && bytes[11] == 0xFF
            ? new EndpointAddress(bytes[12..], port, 0)
            : this;
    }

    public EndpointAddress WithPort(ushort value) => new(((ReadOnlySpan<byte>)address)[..AddressLength], value, scope);

    public IPEndPoint ToIPEndPoint()
    {
        ReadOnlySpan<byte> bytes = ((ReadOnlySpan<byte>)address)[..AddressLength];
        return new IPEndPoint(isIPv6 ? new IPAddress(bytes, scope) : new IPAddress(bytes), port);
    }

    /// <summary>Writes the 4 or 16 address bytes in network order; the destination may be longer.</summary>
    public void CopyAddress(Span<byte> destination) =>
        ((ReadOnlySpan<byte>)address)[..AddressLength].CopyTo(destination);

    public bool Equals(EndpointAddress other) =>
        ((ReadOnlySpan<byte>)address).SequenceEqual(other.address) && port == other.port && isIPv6 == other.isIPv6
        && scope == other.scope;

    public override bool Equals(object? obj) => obj is EndpointAddress other && Equals(other);

    public override int GetHashCode()
    {
        ReadOnlySpan<byte> bytes = address;
        return HashCode.Combine(
            MemoryMarshal.Read<ulong>(bytes), MemoryMarshal.Read<ulong>(bytes[8..]), port, isIPv6, scope);
    }

    public override string ToString() => ToIPEndPoint().ToString();

    public static bool operator ==(EndpointAddress left, EndpointAddress right) => left.Equals(right);

    public static bool operator !=(EndpointAddress left, EndpointAddress right) => !left.Equals(right);

    /// <summary>Writes <c>sockaddr_in</c> or <c>sockaddr_in6</c> (<c>ip(7)</c>, <c>ipv6(7)</c>).</summary>
    /// <returns>Its length, at most <see cref="MaximumSocketAddressBytes"/>.</returns>
    internal int WriteSocketAddress(Span<byte> destination)
    {
        MemoryMarshal.Write(destination, isIPv6 ? FamilyV6 : FamilyV4);
        BinaryPrimitives.WriteUInt16BigEndian(destination[2..], port);
        if (!isIPv6)
        {
            CopyAddress(destination[4..8]);
            destination[8..SocketAddressV4Bytes].Clear();
            return SocketAddressV4Bytes;
        }

        destination[4..8].Clear();
        CopyAddress(destination[8..24]);
        MemoryMarshal.Write(destination[24..28], scope);
        return MaximumSocketAddressBytes;
    }

    internal static EndpointAddress ReadSocketAddress(ReadOnlySpan<byte> source)
    {
        ushort family = MemoryMarshal.Read<ushort>(source);
        ushort port = BinaryPrimitives.ReadUInt16BigEndian(source[2..]);
        return family switch
        {
            FamilyV4 => new EndpointAddress(source[4..8], port, 0),
            FamilyV6 => new EndpointAddress(source[8..24], port, MemoryMarshal.Read<uint>(source[24..28])),
            _ => throw new NativeException($"reading a socket address of family {family}", Errno.EAFNOSUPPORT, null),
        };
    }

    [InlineArray(16)]
    private struct AddressBytes
    {
        private byte first;
    }
}
