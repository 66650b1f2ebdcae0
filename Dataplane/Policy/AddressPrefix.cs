using System.Globalization;
using System.Text;

namespace FastExit.Policy;

/// <summary>
/// A CIDR prefix of one family. Host bits beyond the length are kept but not compared. A mapped IPv6 prefix of 96 bits or
/// more (<c>::ffff:10.0.0.0/104</c>) compares as the IPv4 prefix it stands for, because addresses arrive normalised.
/// </summary>
public readonly struct AddressPrefix : IEquatable<AddressPrefix>
{
    private readonly UInt128 _mask;

    internal AddressPrefix(bool isIPv6, UInt128 bits, int length)
    {
        if (isIPv6 && length >= 96 && (bits >> 32) == 0xffff)
        {
            isIPv6 = false;
            bits = (uint)bits;
            length -= 96;
        }

        IsIPv6 = isIPv6;
        Bits = bits;
        Length = length;
        var width = isIPv6 ? 128 : 32;
        var all = isIPv6 ? UInt128.MaxValue : uint.MaxValue;
        // A shift by the whole width is taken modulo the width, so /0 needs its own case.
        _mask = length == 0 ? UInt128.Zero : (all << (width - length)) & all;
    }

    /// <summary>Family; false is IPv4.</summary>
    public bool IsIPv6 { get; }

    /// <summary>The address as written, host order.</summary>
    public UInt128 Bits { get; }

    /// <summary>Compared bits: 0..32 or 0..128.</summary>
    public int Length { get; }

    /// <summary>First address of the prefix.</summary>
    public UInt128 First => Bits & _mask;

    /// <summary>Last address of the prefix.</summary>
    public UInt128 Last => First | (~_mask & (IsIPv6 ? UInt128.MaxValue : uint.MaxValue));

    /// <summary>Whether the prefix names one single address.</summary>
    public bool IsSingle => Length == (IsIPv6 ? 128 : 32);

    /// <summary>The prefix of one address: /32 or /128.</summary>
    public static AddressPrefix Of(NumericAddress address) => new(address.IsIPv6, address.Bits, address.Width);

    /// <summary>Reads <c>10.0.0.0/8</c>, <c>fc00::/7</c>, <c>[fc00::]/7</c> or one bare address.</summary>
    public static bool TryParse(ReadOnlySpan<char> text, out AddressPrefix prefix)
    {
        prefix = default;
        if (AddressPattern.TryReadPrefix(text, out var isIPv6, out var bits, out var length) != AddressPatternFault.None)
            return false;
        prefix = new AddressPrefix(isIPv6, bits, length);
        return true;
    }

    /// <summary>Reads a prefix from configuration; throws <see cref="FormatException"/> that says what was expected.</summary>
    public static AddressPrefix Parse(string text)
    {
        ArgumentNullException.ThrowIfNull(text);
        return TryParse(text, out var prefix)
            ? prefix
            : throw new FormatException($"'{text}' is not an address prefix. Write it as 10.0.0.0/8 or fc00::/7.");
    }

    /// <summary>Whether the address lies in the prefix.</summary>
    public bool Contains(NumericAddress address) => address.IsIPv6 == IsIPv6 && ((address.Bits ^ Bits) & _mask) == 0;

    /// <inheritdoc/>
    public bool Equals(AddressPrefix other) => IsIPv6 == other.IsIPv6 && Length == other.Length && Bits == other.Bits;

    /// <inheritdoc/>
    public override bool Equals(object? obj) => obj is AddressPrefix other && Equals(other);

    /// <inheritdoc/>
    public override int GetHashCode() => HashCode.Combine(IsIPv6, Bits, Length);

    /// <summary><c>a.b.c.d/len</c> or <c>x::y/len</c>.</summary>
    public override string ToString() => Format(IsIPv6, Bits, Length);

    /// <summary>Same family, address and length.</summary>
    public static bool operator ==(AddressPrefix left, AddressPrefix right) => left.Equals(right);

    /// <summary>Another family, address or length.</summary>
    public static bool operator !=(AddressPrefix left, AddressPrefix right) => !left.Equals(right);

    internal static string Format(bool isIPv6, UInt128 bits, int length)
    {
        var text = new StringBuilder(43);
        text.Append(isIPv6 ? AddressLiteral.FormatIPv6(bits) : AddressLiteral.FormatIPv4((uint)bits));
        return text.Append('/').Append(length.ToString(CultureInfo.InvariantCulture)).ToString();
    }
}
