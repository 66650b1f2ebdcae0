using FastExit.Crypto.Primitives;

namespace FastExit.Crypto.EndToEnd;

/// <summary>
/// Single-use AES-128 key of a reply SURB (end-to-end.md §4.3). A reply names it by its BLAKE3 digest where a forward
/// packet has an ephemeral key; only the SURB's maker can tell the two apart, by looking the 32 bytes up.
/// </summary>
public static class ReplyKey
{
    public const int KeyBytes = 16;
    public const int DigestBytes = 32;

    /// <summary>BLAKE3 of the 16 key bytes.</summary>
    public static void Digest(ReadOnlySpan<byte> key, Span<byte> digest) =>
        Blake3.Hash(key[..KeyBytes], digest[..DigestBytes]);

    /// <summary>Encrypts or decrypts a whole fragment in place: AES-128-CTR from a zero counter block.</summary>
    public static void Transform(ReadOnlySpan<byte> key, Span<byte> fragment) =>
        AesCtr.TransformZeroIv(key[..KeyBytes], fragment);
}
