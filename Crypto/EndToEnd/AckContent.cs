using System.Buffers.Binary;
using System.Security.Cryptography;
using FastExit.Crypto.Primitives;

namespace FastExit.Crypto.EndToEnd;

/// <summary>
/// Plaintext of an acknowledgement packet, 21 bytes (end-to-end.md §5.2): IV (16), then the fragment identifier (set id
/// u32 BE with bit 31 clear, position u8) under AES-128-CTR with the sender's own ack key.
/// Cover traffic carries set id 0, position 0.
/// </summary>
public static class AckContent
{
    public const int Bytes = IvBytes + FragmentHeader.IdentifierBytes;
    public const int KeyBytes = 16;
    public const int IvBytes = 16;

    /// <summary>Writes 21 bytes; <paramref name="iv"/> is 16 fresh random bytes.</summary>
    public static void Write(
        Span<byte> content, ReadOnlySpan<byte> ackKey, ReadOnlySpan<byte> iv, uint setId, byte position)
    {
        content = content[..Bytes];
        iv[..IvBytes].CopyTo(content);
        FragmentHeader.WriteIdentifier(content[IvBytes..], setId, position);
        AesCtr.Transform(ackKey, content[..IvBytes], content[IvBytes..]);
    }

    /// <summary>As <see cref="Write(Span{byte}, ReadOnlySpan{byte}, ReadOnlySpan{byte}, uint, byte)"/> with a random IV.</summary>
    public static void Write(Span<byte> content, ReadOnlySpan<byte> ackKey, uint setId, byte position)
    {
        Span<byte> iv = stackalloc byte[IvBytes];
        RandomNumberGenerator.Fill(iv);
        Write(content, ackKey, iv, setId, position);
    }

    /// <summary>
    /// False unless there are exactly 21 bytes and bit 31 of the decrypted id is clear. Set id 0 is returned as it is:
    /// the ack of a cover packet, to be ignored.
    /// </summary>
    public static bool TryRead(ReadOnlySpan<byte> content, ReadOnlySpan<byte> ackKey, out uint setId, out byte position)
    {
        if (content.Length == Bytes)
        {
            Span<byte> identifier = stackalloc byte[FragmentHeader.IdentifierBytes];
            content[IvBytes..].CopyTo(identifier);
            AesCtr.Transform(ackKey, content[..IvBytes], identifier);
            setId = BinaryPrimitives.ReadUInt32BigEndian(identifier);
            position = identifier[4];
            if (setId <= SetId.Maximum)
                return true;
        }

        setId = 0;
        position = 0;
        return false;
    }
}
