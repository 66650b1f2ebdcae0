using System.Buffers;
using System.Security.Cryptography;
using FastExit.Crypto.Primitives;

namespace FastExit.Bench.Lab.Entry;

/// <summary>
/// What a client and its gateway agreed on at registration, and how it protects what they say (entry-and-directory.md §2.5, §2.8).
/// Immutable: any thread may use it.
/// </summary>
internal abstract class SharedKey
{
    public const int Bytes = 32;

    private readonly byte[] _value;

    private protected SharedKey(ReadOnlySpan<byte> value) => _value = value.ToArray();

    /// <summary>As it is kept between connections.</summary>
    public ReadOnlySpan<byte> Value => _value;

    /// <summary>Of protocols 1 and 2.</summary>
    public abstract bool IsLegacy { get; }

    public abstract int NonceBytes { get; }

    /// <summary>Bytes that <see cref="Seal"/> adds to a payload.</summary>
    public abstract int FrameOverheadBytes { get; }

    /// <summary>Bytes that <see cref="Encrypt"/> adds.</summary>
    public abstract int TagBytes { get; }

    public static SharedKey From(ReadOnlySpan<byte> value, bool legacy) => legacy ? new LegacySharedKey(value) : new ModernSharedKey(value);

    /// <summary>The key of a registration; a salt of 0 bytes is one of protocols 1 and 2.</summary>
    /// <returns>False: the other side's public key yields no secret.</returns>
    public static bool TryAgree(ReadOnlySpan<byte> privateKey, ReadOnlySpan<byte> publicKey, ReadOnlySpan<byte> salt, out SharedKey key)
    {
        Span<byte> shared = stackalloc byte[X25519.KeyBytes];
        X25519.Multiply(privateKey, publicKey, shared);
        Span<byte> value = stackalloc byte[Bytes];
        HkdfBlake3.DeriveKey(salt, shared, value);
        key = From(value, salt.IsEmpty);
        return !X25519.IsZero(shared);
    }

    /// <summary>Where the payload of a binary frame lies; the frame is <see cref="FrameOverheadBytes"/> longer.</summary>
    public abstract Span<byte> PayloadOf(Span<byte> frame);

    /// <summary>Makes a frame of one whose payload was filled in.</summary>
    public abstract void Seal(byte kind, Span<byte> frame);

    /// <summary>Opens a binary frame in place; false: not by this key, or cut short.</summary>
    public abstract bool TryOpen(Span<byte> frame, out byte kind, out Span<byte> payload);

    /// <summary>Plaintext to ciphertext and tag, for what stands in JSON.</summary>
    public abstract byte[] Encrypt(ReadOnlySpan<byte> nonce, ReadOnlySpan<byte> plaintext);

    /// <summary>Null: forged, or of a wrong length.</summary>
    public abstract byte[]? Decrypt(ReadOnlySpan<byte> nonce, ReadOnlySpan<byte> ciphertext);
}

/// <summary>Protocols from 3 on: AES-256-GCM-SIV; frame = kind(1) ‖ 1 ‖ nonce(12) ‖ ciphertext ‖ tag(16).</summary>
internal sealed class ModernSharedKey(ReadOnlySpan<byte> value) : SharedKey(value)
{
    private const int NonceOffset = 2;
    private const int PayloadOffset = NonceOffset + AesGcmSiv.NonceBytes;
    private const byte Encrypted = 1;
    private readonly AesGcmSiv _cipher = new(value);

    public override bool IsLegacy => false;

    public override int NonceBytes => AesGcmSiv.NonceBytes;

    public override int FrameOverheadBytes => PayloadOffset + AesGcmSiv.TagBytes;

    public override int TagBytes => AesGcmSiv.TagBytes;

    public override Span<byte> PayloadOf(Span<byte> frame) => frame[PayloadOffset..^AesGcmSiv.TagBytes];

    public override void Seal(byte kind, Span<byte> frame)
    {
        frame[0] = kind;
        frame[1] = Encrypted;
        Span<byte> nonce = frame.Slice(NonceOffset, AesGcmSiv.NonceBytes);
        RandomStock.Fill(nonce);
        _cipher.Encrypt(nonce, PayloadOf(frame), frame[^AesGcmSiv.TagBytes..]);
    }

    public override bool TryOpen(Span<byte> frame, out byte kind, out Span<byte> payload)
    {
        kind = 0;
        payload = default;
        if (frame.Length < FrameOverheadBytes || frame[1] != Encrypted)
            return false;
        kind = frame[0];
        payload = PayloadOf(frame);
        return _cipher.TryDecrypt(frame.Slice(NonceOffset, AesGcmSiv.NonceBytes), payload, frame[^AesGcmSiv.TagBytes..]);
    }

    public override byte[] Encrypt(ReadOnlySpan<byte> nonce, ReadOnlySpan<byte> plaintext)
    {
        byte[] output = new byte[plaintext.Length + AesGcmSiv.TagBytes];
        plaintext.CopyTo(output);
        _cipher.Encrypt(nonce, output.AsSpan(0, plaintext.Length), output.AsSpan(plaintext.Length));
        return output;
    }

    public override byte[]? Decrypt(ReadOnlySpan<byte> nonce, ReadOnlySpan<byte> ciphertext)
    {
        if (nonce.Length != AesGcmSiv.NonceBytes || ciphertext.Length < AesGcmSiv.TagBytes)
            return null;
        byte[] output = ciphertext[..^AesGcmSiv.TagBytes].ToArray();
        return _cipher.TryDecrypt(nonce, output, ciphertext[^AesGcmSiv.TagBytes..]) ? output : null;
    }
}

/// <summary>
/// Protocols 1 and 2: AES-128 in counter mode; frame = HMAC-BLAKE3 of the ciphertext (32) ‖ ciphertext from counter zero. Value =
/// encryption key(16) ‖ MAC key(16).
/// </summary>
internal sealed class LegacySharedKey(ReadOnlySpan<byte> value) : SharedKey(value)
{
    private const int MacBytes = Blake3.HashBytes;
    private const int HmacBlockBytes = 64;
    private const byte OnlyKind = 1;

    public override bool IsLegacy => true;

    public override int NonceBytes => AesCtr.BlockBytes;

    public override int FrameOverheadBytes => MacBytes;

    public override int TagBytes => 0;

    private ReadOnlySpan<byte> EncryptionKey => Value[..AesCtr.KeyBytes];

    private ReadOnlySpan<byte> MacKey => Value[AesCtr.KeyBytes..];

    public override Span<byte> PayloadOf(Span<byte> frame) => frame[MacBytes..];

    public override void Seal(byte kind, Span<byte> frame)
    {
        Span<byte> data = PayloadOf(frame);
        AesCtr.TransformZeroIv(EncryptionKey, data);
        Mac(MacKey, data, frame);
    }

    public override bool TryOpen(Span<byte> frame, out byte kind, out Span<byte> payload)
    {
        kind = OnlyKind;
        payload = default;
        if (frame.Length < MacBytes)
            return false;
        payload = frame[MacBytes..];
        Span<byte> expected = stackalloc byte[MacBytes];
        Mac(MacKey, payload, expected);
        if (!CryptographicOperations.FixedTimeEquals(expected, frame[..MacBytes]))
            return false;
        AesCtr.TransformZeroIv(EncryptionKey, payload);
        return true;
    }

    public override byte[] Encrypt(ReadOnlySpan<byte> nonce, ReadOnlySpan<byte> plaintext)
    {
        byte[] output = plaintext.ToArray();
        AesCtr.Transform(EncryptionKey, nonce, output);
        return output;
    }

    public override byte[]? Decrypt(ReadOnlySpan<byte> nonce, ReadOnlySpan<byte> ciphertext) =>
        nonce.Length == AesCtr.BlockBytes ? Encrypt(nonce, ciphertext) : null;

    // RFC 2104 with BLAKE3's block of 64 bytes.
    private static void Mac(ReadOnlySpan<byte> key, ReadOnlySpan<byte> message, Span<byte> mac)
    {
        byte[] rented = ArrayPool<byte>.Shared.Rent(HmacBlockBytes + Math.Max(message.Length, MacBytes));
        Span<byte> block = rented.AsSpan(0, HmacBlockBytes);
        block.Clear();
        key.CopyTo(block);
        foreach (ref byte b in block)
            b ^= 0x36;
        message.CopyTo(rented.AsSpan(HmacBlockBytes));
        Span<byte> inner = stackalloc byte[MacBytes];
        Blake3.Hash(rented.AsSpan(0, HmacBlockBytes + message.Length), inner);
        foreach (ref byte b in block)
            b ^= 0x36 ^ 0x5C;
        inner.CopyTo(rented.AsSpan(HmacBlockBytes));
        Blake3.Hash(rented.AsSpan(0, HmacBlockBytes + MacBytes), mac[..MacBytes]);
        block.Clear();
        ArrayPool<byte>.Shared.Return(rented);
    }
}
