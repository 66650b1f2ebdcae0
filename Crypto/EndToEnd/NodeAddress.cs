using System.Buffers.Binary;
using System.Net;

namespace FastExit.Crypto.EndToEnd;

/// <summary>
/// Mixnet listener of a node as it stands in Sphinx headers, SURBs and ack prefixes (end-to-end.md §1.5):
/// family (1 byte, 4 or 6), port (u16 BE), 4 or 16 address bytes, then zeros up to the context's length (19 or 32).
/// Zeros behind the significant bytes are written and never checked. The default value is no address (family 0).
/// </summary>
public readonly struct NodeAddress : IEquatable<NodeAddress>
{
    public const int IPv4Bytes = 7;
    public const int IPv6Bytes = 19;

    /// <summary>Length in front of an embedded acknowledgement packet.</summary>
    public const int AckPrefixBytes = 19;

    /// <summary>Length in Sphinx routing information and SURBs.</summary>
    public const int SphinxBytes = 32;

    // IPv4 stands in the most significant 32 bits, so both families are a prefix of the same 16 big-endian bytes.
    private readonly UInt128 _address;
    private readonly ushort _port;
    private readonly byte _family;

    private NodeAddress(byte family, ushort port, UInt128 address)
    {
        _family = family;
        _port = port;
        _address = address;
    }

    /// <summary>4 or 6; 0 for the default value.</summary>
    public byte Family => _family;

    public ushort Port => _port;

    /// <summary>7 or 19: bytes that carry information.</summary>
    public int SignificantBytes => _family == 6 ? IPv6Bytes : IPv4Bytes;

    /// <summary>Reads the significant bytes only; false for another family byte or too few bytes.</summary>
    public static bool TryRead(ReadOnlySpan<byte> bytes, out NodeAddress address, out int significantBytes)
    {
        if (bytes.Length >= IPv4Bytes)
        {
            ushort port = BinaryPrimitives.ReadUInt16BigEndian(bytes[1..]);
            if (bytes[0] == 4)
            {
                address = new NodeAddress(4, port, (UInt128)BinaryPrimitives.ReadUInt32BigEndian(bytes[3..]) << 96);
                significantBytes = IPv4Bytes;
                return true;
            }

            if (bytes[0] == 6 && bytes.Length >= IPv6Bytes)
            {
                address = new NodeAddress(6, port, BinaryPrimitives.ReadUInt128BigEndian(bytes[3..]));
                significantBytes = IPv6Bytes;
                return true;
            }
        }

        address = default;
        significantBytes = 0;
        return false;
    }

    public static NodeAddress From(IPEndPoint endPoint)
    {
        ArgumentNullException.ThrowIfNull(endPoint);
        Span<byte> octets = stackalloc byte[16];
        octets.Clear();
        endPoint.Address.TryWriteBytes(octets, out int written);
        byte family = written == 4 ? (byte)4 : (byte)6;
        return new NodeAddress(family, (ushort)endPoint.Port, BinaryPrimitives.ReadUInt128BigEndian(octets));
    }

    public IPEndPoint ToIPEndPoint()
    {
        if (_family == 0)
            throw new InvalidOperationException("The node address is empty.");
        Span<byte> octets = stackalloc byte[16];
        int length = CopyAddress(octets);
        return new IPEndPoint(new IPAddress(octets[..length]), _port);
    }

    /// <summary>Writes the address and zeros the rest of <paramref name="padded"/> (19 or 32 bytes).</summary>
    public void Write(Span<byte> padded)
    {
        int written = WriteCompact(padded);
        padded[written..].Clear();
    }

    /// <summary>Writes only the significant bytes and returns their number (7 or 19).</summary>
    public int WriteCompact(Span<byte> destination)
    {
        destination = destination[..SignificantBytes];
        destination[0] = _family;
        BinaryPrimitives.WriteUInt16BigEndian(destination[1..], _port);
        CopyAddress(destination[3..]);
        return destination.Length;
    }

    /// <summary>Copies the 4 or 16 address bytes in network order and returns their number.</summary>
    public int CopyAddress(Span<byte> destination)
    {
        if (_family == 6)
        {
            BinaryPrimitives.WriteUInt128BigEndian(destination, _address);
            return 16;
        }

        BinaryPrimitives.WriteUInt32BigEndian(destination, (uint)(_address >> 96));
        return 4;
    }

    public bool Equals(NodeAddress other) =>
        _address == other._address && _port == other._port && _family == other._family;

    public override bool Equals(object? obj) => obj is NodeAddress other && Equals(other);

    public override int GetHashCode() => HashCode.Combine(_address, _port, _family);

    public override string ToString() => _family == 0 ? "none" : ToIPEndPoint().ToString();

    public static bool operator ==(NodeAddress left, NodeAddress right) => left.Equals(right);

    public static bool operator !=(NodeAddress left, NodeAddress right) => !left.Equals(right);
}
