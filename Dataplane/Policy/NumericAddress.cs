using System.Buffers.Binary;
using System.Net;
using System.Net.Sockets;

namespace FastExit.Policy;

/// <summary>
/// An IPv4 or IPv6 address as a number, for prefix compares without allocation. IPv4-mapped IPv6
/// (<c>::ffff:0:0/96</c>) always becomes IPv4, and scope ids are dropped, so one address has one form
/// wherever rules or guards look at it.
/// </summary>
public readonly struct NumericAddress : IEquatable<NumericAddress>
{
    private const int MappedPrefix = 0xffff;

    private NumericAddress(bool isIPv6, UInt128 bits)
    {
        IsIPv6 = isIPv6;
        Bits = bits;
    }

    /// <summary>Family; false is IPv4.</summary>
    public bool IsIPv6 { get; }

    /// <summary>Host-order value: 32 low bits for IPv4, all 128 for IPv6.</summary>
    public UInt128 Bits { get; }

    /// <summary>Width of the family in bits: 32 or 128.</summary>
    public int Width => IsIPv6 ? 128 : 32;

    /// <summary>An IPv4 address from its host-order value.</summary>
    public static NumericAddress IPv4(uint bits) => new(false, bits);

    /// <summary>An IPv6 address from its host-order value; a mapped one becomes IPv4.</summary>
    public static NumericAddress IPv6(UInt128 bits) =>
        (bits >> 32) == MappedPrefix ? IPv4((uint)bits) : new(true, bits);

    /// <summary>From 4 or 16 network-order bytes; other lengths throw.</summary>
    public static NumericAddress FromBytes(ReadOnlySpan<byte> networkOrder) => networkOrder.Length switch
    {
        4 => IPv4(BinaryPrimitives.ReadUInt32BigEndian(networkOrder)),
        16 => IPv6(BinaryPrimitives.ReadUInt128BigEndian(networkOrder)),
        _ => throw new ArgumentException("An address has 4 or 16 bytes.", nameof(networkOrder)),
    };

    /// <summary>From the framework's type; the scope id is ignored.</summary>
    public static NumericAddress From(IPAddress address)
    {
        ArgumentNullException.ThrowIfNull(address);
        Span<byte> bytes = stackalloc byte[16];
        address.TryWriteBytes(bytes, out var written);
        return FromBytes(bytes[..written]);
    }

    /// <summary>Reads a dotted IPv4 or an IPv6 literal without brackets.</summary>
    public static bool TryParse(ReadOnlySpan<byte> text, out NumericAddress address)
    {
        if (AddressLiteral.TryReadIPv4(text, out var four))
        {
            address = IPv4(four);
            return true;
        }

        var valid = AddressLiteral.TryReadIPv6(text, out var six);
        address = valid ? IPv6(six) : default;
        return valid;
    }

    /// <summary>The framework's type, without scope.</summary>
    public IPAddress ToIPAddress()
    {
        Span<byte> bytes = stackalloc byte[16];
        if (IsIPv6)
        {
            BinaryPrimitives.WriteUInt128BigEndian(bytes, Bits);
            return new IPAddress(bytes);
        }

        BinaryPrimitives.WriteUInt32BigEndian(bytes, (uint)Bits);
        return new IPAddress(bytes[..4]);
    }

    /// <summary>The framework's name of the family.</summary>
    public AddressFamily Family => IsIPv6 ? AddressFamily.InterNetworkV6 : AddressFamily.InterNetwork;

    /// <inheritdoc/>
    public bool Equals(NumericAddress other) => IsIPv6 == other.IsIPv6 && Bits == other.Bits;

    /// <inheritdoc/>
    public override bool Equals(object? obj) => obj is NumericAddress other && Equals(other);

    /// <inheritdoc/>
    public override int GetHashCode() => HashCode.Combine(IsIPv6, Bits);

    /// <summary>Dotted IPv4, or IPv6 by RFC 5952.</summary>
    public override string ToString() =>
        IsIPv6 ? AddressLiteral.FormatIPv6(Bits) : AddressLiteral.FormatIPv4((uint)Bits);

    /// <summary>Same family and value.</summary>
    public static bool operator ==(NumericAddress left, NumericAddress right) => left.Equals(right);

    /// <summary>Another family or value.</summary>
    public static bool operator !=(NumericAddress left, NumericAddress right) => !left.Equals(right);
}
