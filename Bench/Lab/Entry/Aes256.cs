using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Security.Cryptography;
using X86Aes = System.Runtime.Intrinsics.X86.Aes;

namespace FastExit.Bench.Lab.Entry;

/// <summary>
/// AES-256 (FIPS 197) forwards: single blocks, and the counter mode of RFC 8452 §4 (32 bits, little-endian, in front). Uses the processor's
/// instructions where they are, else the system's cipher.
/// </summary>
[InlineArray(Rounds + 1)]
internal struct Aes256Schedule
{
    public const int Rounds = 14;
    private Vector128<byte> _first;

    public static Aes256Schedule Expand(ReadOnlySpan<byte> key)
    {
        var schedule = default(Aes256Schedule);
        schedule[0] = Vector128.Create(key);
        schedule[1] = Vector128.Create(key[16..]);
        byte constant = 1;
        for (int round = 2; round <= Rounds; round++)
        {
            Vector128<byte> before = schedule[round - 2];
            Vector128<uint> assisted = X86Aes.KeygenAssist(schedule[round - 1], 0).AsUInt32();

            // Word 3 is RotWord(SubWord(w3)), word 2 is SubWord(w3); the round constant is added here, as the instruction wants it literal.
            uint image = (round & 1) == 0 ? assisted[3] ^ constant : assisted[2];
            if ((round & 1) == 0)
                constant <<= 1;
            Vector128<uint> words = before.AsUInt32();
            uint w0 = words[0] ^ image, w1 = words[1] ^ w0, w2 = words[2] ^ w1, w3 = words[3] ^ w2;
            schedule[round] = Vector128.Create(w0, w1, w2, w3).AsByte();
        }

        return schedule;
    }
}

/// <inheritdoc cref="Aes256Schedule"/>
internal readonly struct Aes256
{
    public const int KeyBytes = 32;
    public const int BlockBytes = 16;
    private readonly Aes256Schedule _schedule;
    private readonly byte[]? _key;

    public Aes256(ReadOnlySpan<byte> key, bool accelerated)
    {
        if (accelerated && X86Aes.IsSupported)
            _schedule = Aes256Schedule.Expand(key[..KeyBytes]);
        else
            _key = key[..KeyBytes].ToArray();
    }

    /// <summary>Each whole block of <paramref name="blocks"/> by itself, in place.</summary>
    public void EncryptBlocks(Span<byte> blocks)
    {
        if (_key is not null)
        {
            using Aes cipher = Cipher(_key);
            byte[] output = cipher.EncryptEcb(blocks, PaddingMode.None);
            output.CopyTo(blocks);
            return;
        }

        for (; blocks.Length >= BlockBytes; blocks = blocks[BlockBytes..])
            Encrypt(Vector128.Create((ReadOnlySpan<byte>)blocks)).CopyTo(blocks);
    }

    /// <summary>data = data xor the key stream from counter block <paramref name="first"/> on.</summary>
    public void XorStream(ReadOnlySpan<byte> first, Span<byte> data)
    {
        Vector128<uint> counter = Vector128.Create(first).AsUInt32();
        if (_key is not null)
        {
            XorStreamPortable(_key, counter, data);
            return;
        }

        for (; data.Length >= 4 * BlockBytes; data = data[(4 * BlockBytes)..])
        {
            Vector128<byte> b0 = Next(ref counter) ^ _schedule[0], b1 = Next(ref counter) ^ _schedule[0];
            Vector128<byte> b2 = Next(ref counter) ^ _schedule[0], b3 = Next(ref counter) ^ _schedule[0];
            for (int round = 1; round < Aes256Schedule.Rounds; round++)
            {
                Vector128<byte> key = _schedule[round];
                b0 = X86Aes.Encrypt(b0, key);
                b1 = X86Aes.Encrypt(b1, key);
                b2 = X86Aes.Encrypt(b2, key);
                b3 = X86Aes.Encrypt(b3, key);
            }

            Vector128<byte> last = _schedule[Aes256Schedule.Rounds];
            Xor(data, X86Aes.EncryptLast(b0, last));
            Xor(data[16..], X86Aes.EncryptLast(b1, last));
            Xor(data[32..], X86Aes.EncryptLast(b2, last));
            Xor(data[48..], X86Aes.EncryptLast(b3, last));
        }

        for (; !data.IsEmpty; data = data[Math.Min(BlockBytes, data.Length)..])
            Xor(data, Encrypt(Next(ref counter)));
    }

    private static Vector128<byte> Next(ref Vector128<uint> counter)
    {
        Vector128<byte> block = counter.AsByte();
        counter += Vector128.CreateScalar(1U);
        return block;
    }

    private static void XorStreamPortable(byte[] key, Vector128<uint> counter, Span<byte> data)
    {
        byte[] stream = new byte[(data.Length + BlockBytes - 1) / BlockBytes * BlockBytes];
        for (int at = 0; at < stream.Length; at += BlockBytes)
            Next(ref counter).CopyTo(stream.AsSpan(at));
        using Aes cipher = Cipher(key);
        stream = cipher.EncryptEcb(stream, PaddingMode.None);
        for (int i = 0; i < data.Length; i++)
            data[i] ^= stream[i];
    }

    private static Aes Cipher(byte[] key)
    {
        Aes cipher = Aes.Create();
        cipher.Key = key;
        return cipher;
    }

    private static void Xor(Span<byte> data, Vector128<byte> stream)
    {
        if (data.Length >= BlockBytes)
        {
            (Vector128.Create((ReadOnlySpan<byte>)data) ^ stream).CopyTo(data);
            return;
        }

        for (int i = 0; i < data.Length; i++)
            data[i] ^= stream[i];
    }

    private Vector128<byte> Encrypt(Vector128<byte> block)
    {
        block ^= _schedule[0];
        for (int round = 1; round < Aes256Schedule.Rounds; round++)
            block = X86Aes.Encrypt(block, _schedule[round]);
        return X86Aes.EncryptLast(block, _schedule[Aes256Schedule.Rounds]);
    }
}
