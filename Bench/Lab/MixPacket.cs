using System.Buffers;
using FastExit.Crypto.EndToEnd;

namespace FastExit.Bench.Lab;

/// <summary>One Sphinx packet in a rented buffer, with the frame fields that travel beside it. Who holds it returns it.</summary>
internal readonly record struct MixPacket(byte[] Buffer, int Bytes, PacketSize Size, KeyRotation Rotation)
{
    public Span<byte> Span => Buffer.AsSpan(0, Bytes);

    public static MixPacket Copy(ReadOnlySpan<byte> packet, PacketSize size, KeyRotation rotation)
    {
        byte[] buffer = ArrayPool<byte>.Shared.Rent(packet.Length);
        packet.CopyTo(buffer);
        return new MixPacket(buffer, packet.Length, size, rotation);
    }

    public void Return() => ArrayPool<byte>.Shared.Return(Buffer);
}
