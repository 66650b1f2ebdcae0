using System.Buffers.Binary;
using System.Security.Cryptography;

namespace FastExit.Bench.Lab.Entry;

/// <summary>
/// AEAD_AES_256_GCM_SIV (RFC 8452): key 32 bytes, nonce 12, tag 16, data of any length in place. A nonce that comes twice shows no more
/// than that two messages are equal. Immutable: any thread may use it.
/// </summary>
internal sealed class AesGcmSiv
{
    public const int KeyBytes = 32;
    public const int NonceBytes = 12;
    public const int TagBytes = 16;
    private readonly Aes256 _generator;
    private readonly bool _accelerated;

    /// <param name="key">32 bytes.</param>
    /// <param name="accelerated">False: without the processor's instructions.</param>
    public AesGcmSiv(ReadOnlySpan<byte> key, bool accelerated = true)
    {
        ArgumentOutOfRangeException.ThrowIfNotEqual(key.Length, KeyBytes);
        _generator = new Aes256(key, accelerated);
        _accelerated = accelerated;
    }

    public void Encrypt(ReadOnlySpan<byte> nonce, Span<byte> data, Span<byte> tag, ReadOnlySpan<byte> associated = default)
    {
        Derive(nonce, out Polyval hash, out Aes256 cipher);
        Tag(nonce, hash, cipher, data, associated, tag);
        Transform(cipher, tag, data);
    }

    /// <returns>False: forged or damaged; the data is cleared.</returns>
    public bool TryDecrypt(ReadOnlySpan<byte> nonce, Span<byte> data, ReadOnlySpan<byte> tag, ReadOnlySpan<byte> associated = default)
    {
        Derive(nonce, out Polyval hash, out Aes256 cipher);
        Transform(cipher, tag, data);
        Span<byte> expected = stackalloc byte[TagBytes];
        Tag(nonce, hash, cipher, data, associated, expected);
        if (CryptographicOperations.FixedTimeEquals(expected, tag))
            return true;
        data.Clear();
        return false;
    }

    // RFC 8452 §4: six blocks of counter and nonce, of which the first halves count.
    private void Derive(ReadOnlySpan<byte> nonce, out Polyval hash, out Aes256 cipher)
    {
        const int Blocks = 6, HalfBytes = 8;
        ArgumentOutOfRangeException.ThrowIfNotEqual(nonce.Length, NonceBytes);
        Span<byte> blocks = stackalloc byte[Blocks * Aes256.BlockBytes];
        for (int i = 0; i < Blocks; i++)
        {
            BinaryPrimitives.WriteInt32LittleEndian(blocks[(i * Aes256.BlockBytes)..], i);
            nonce.CopyTo(blocks[((i * Aes256.BlockBytes) + 4)..]);
        }

        _generator.EncryptBlocks(blocks);
        Span<byte> keys = stackalloc byte[Blocks * HalfBytes];
        for (int i = 0; i < Blocks; i++)
            blocks.Slice(i * Aes256.BlockBytes, HalfBytes).CopyTo(keys[(i * HalfBytes)..]);
        hash = new Polyval(keys[..Polyval.BlockBytes], _accelerated);
        cipher = new Aes256(keys[Polyval.BlockBytes..], _accelerated);
    }

    private static void Tag(
        ReadOnlySpan<byte> nonce, Polyval hash, in Aes256 cipher, ReadOnlySpan<byte> plaintext, ReadOnlySpan<byte> associated, Span<byte> tag)
    {
        hash.Add(associated);
        hash.Add(plaintext);
        hash.AddLengths(associated.Length, plaintext.Length);
        hash.Read(tag);
        for (int i = 0; i < NonceBytes; i++)
            tag[i] ^= nonce[i];
        tag[15] &= 0x7F;
        cipher.EncryptBlocks(tag[..TagBytes]);
    }

    private static void Transform(in Aes256 cipher, ReadOnlySpan<byte> tag, Span<byte> data)
    {
        Span<byte> counter = stackalloc byte[Aes256.BlockBytes];
        tag[..TagBytes].CopyTo(counter);
        counter[15] |= 0x80;
        cipher.XorStream(counter, data);
    }
}
