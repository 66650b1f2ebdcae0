using System.Buffers.Binary;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;
using ArmAes = System.Runtime.Intrinsics.Arm.Aes;
using X86Aes = System.Runtime.Intrinsics.X86.Aes;

namespace FastExit.Crypto.Primitives;

/// <summary>AES-128 in counter mode.</summary>
/// <remarks>
/// <para>References: FIPS 197; SP 800-38A §6.5; sphinx.md §3, end-to-end.md §4.1 (which part of the block counts).</para>
/// <para>Parameters: key 16 bytes, initial counter block 16 bytes, data of any length, in place. The low 64 bits of the
/// block count, big-endian; no carry goes into the upper 8 bytes. That is ordinary 128-bit counting unless the low half
/// wraps.</para>
/// <para>Constant time: AES instructions of x86 or Arm with 8 blocks in flight, else a bit-sliced computation without
/// tables (<see cref="AesBitsliced"/>).</para>
/// </remarks>
[SkipLocalsInit]
public static class AesCtr
{
    /// <summary>Bytes of a key.</summary>
    public const int KeyBytes = 16;

    /// <summary>Bytes of a block and of the initial counter block.</summary>
    public const int BlockBytes = 16;

    private const int Rounds = 10;

    /// <summary>data = data xor the key stream that starts at counter block iv.</summary>
    public static void Transform(ReadOnlySpan<byte> key, ReadOnlySpan<byte> iv, Span<byte> data)
    {
        Vector128<byte> upper = Vector128.Create(iv[..BlockBytes]);
        ulong counter = BinaryPrimitives.ReadUInt64BigEndian(iv[8..]);
        if (X86Aes.IsSupported)
            TransformX86(key[..KeyBytes], upper, counter, data);
        else if (ArmAes.IsSupported)
            TransformArm(key[..KeyBytes], upper, counter, data);
        else
            AesBitsliced.Transform(key[..KeyBytes], iv[..BlockBytes], data);
    }

    /// <summary><see cref="Transform"/> with 16 zero bytes as initial counter block.</summary>
    public static void TransformZeroIv(ReadOnlySpan<byte> key, Span<byte> data)
    {
        Span<byte> iv = stackalloc byte[BlockBytes];
        iv.Clear();
        Transform(key, iv, data);
    }

    /// <summary>output = the key stream from counter block zero on.</summary>
    public static void Keystream(ReadOnlySpan<byte> key, Span<byte> output)
    {
        output.Clear();
        TransformZeroIv(key, output);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector128<byte> CounterBlock(Vector128<byte> upper, ulong counter) =>
        upper.AsUInt64().WithElement(1, BinaryPrimitives.ReverseEndianness(counter)).AsByte();

    private static void TransformX86(
        ReadOnlySpan<byte> key, Vector128<byte> upper, ulong counter, Span<byte> data)
    {
        Span<Vector128<byte>> k = stackalloc Vector128<byte>[Rounds + 1];
        ExpandKeyX86(key, k);
        ref Vector128<byte> keys = ref MemoryMarshal.GetReference(k);
        int offset = 0;
        ref byte start = ref MemoryMarshal.GetReference(data);
        for (; data.Length - offset >= 8 * BlockBytes; offset += 8 * BlockBytes)
        {
            Vector128<byte> b0 = CounterBlock(upper, counter) ^ keys;
            Vector128<byte> b1 = CounterBlock(upper, counter + 1) ^ keys;
            Vector128<byte> b2 = CounterBlock(upper, counter + 2) ^ keys;
            Vector128<byte> b3 = CounterBlock(upper, counter + 3) ^ keys;
            Vector128<byte> b4 = CounterBlock(upper, counter + 4) ^ keys;
            Vector128<byte> b5 = CounterBlock(upper, counter + 5) ^ keys;
            Vector128<byte> b6 = CounterBlock(upper, counter + 6) ^ keys;
            Vector128<byte> b7 = CounterBlock(upper, counter + 7) ^ keys;
            for (int round = 1; round < Rounds; round++)
            {
                Vector128<byte> roundKey = Unsafe.Add(ref keys, round);
                b0 = X86Aes.Encrypt(b0, roundKey);
                b1 = X86Aes.Encrypt(b1, roundKey);
                b2 = X86Aes.Encrypt(b2, roundKey);
                b3 = X86Aes.Encrypt(b3, roundKey);
                b4 = X86Aes.Encrypt(b4, roundKey);
                b5 = X86Aes.Encrypt(b5, roundKey);
                b6 = X86Aes.Encrypt(b6, roundKey);
                b7 = X86Aes.Encrypt(b7, roundKey);
            }

            Vector128<byte> last = Unsafe.Add(ref keys, Rounds);
            ref byte block = ref Unsafe.Add(ref start, offset);
            XorInto(ref block, X86Aes.EncryptLast(b0, last));
            XorInto(ref Unsafe.Add(ref block, 16), X86Aes.EncryptLast(b1, last));
            XorInto(ref Unsafe.Add(ref block, 32), X86Aes.EncryptLast(b2, last));
            XorInto(ref Unsafe.Add(ref block, 48), X86Aes.EncryptLast(b3, last));
            XorInto(ref Unsafe.Add(ref block, 64), X86Aes.EncryptLast(b4, last));
            XorInto(ref Unsafe.Add(ref block, 80), X86Aes.EncryptLast(b5, last));
            XorInto(ref Unsafe.Add(ref block, 96), X86Aes.EncryptLast(b6, last));
            XorInto(ref Unsafe.Add(ref block, 112), X86Aes.EncryptLast(b7, last));
            counter += 8;
        }

        for (; offset < data.Length; offset += BlockBytes, counter++)
        {
            Vector128<byte> b = CounterBlock(upper, counter) ^ keys;
            for (int round = 1; round < Rounds; round++)
                b = X86Aes.Encrypt(b, Unsafe.Add(ref keys, round));
            XorPart(data[offset..], X86Aes.EncryptLast(b, Unsafe.Add(ref keys, Rounds)));
        }
    }

    private static void ExpandKeyX86(ReadOnlySpan<byte> key, Span<Vector128<byte>> k)
    {
        k[0] = Vector128.Create(key);
        // The round constant is an immediate operand, so the rounds are written out.
        k[1] = NextKey(k[0], X86Aes.KeygenAssist(k[0], 0x01));
        k[2] = NextKey(k[1], X86Aes.KeygenAssist(k[1], 0x02));
        k[3] = NextKey(k[2], X86Aes.KeygenAssist(k[2], 0x04));
        k[4] = NextKey(k[3], X86Aes.KeygenAssist(k[3], 0x08));
        k[5] = NextKey(k[4], X86Aes.KeygenAssist(k[4], 0x10));
        k[6] = NextKey(k[5], X86Aes.KeygenAssist(k[5], 0x20));
        k[7] = NextKey(k[6], X86Aes.KeygenAssist(k[6], 0x40));
        k[8] = NextKey(k[7], X86Aes.KeygenAssist(k[7], 0x80));
        k[9] = NextKey(k[8], X86Aes.KeygenAssist(k[8], 0x1B));
        k[10] = NextKey(k[9], X86Aes.KeygenAssist(k[9], 0x36));
    }

    // Word i of the next key is word 3's image xor words 0..i.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector128<byte> NextKey(Vector128<byte> key, Vector128<byte> assist)
    {
        Vector128<uint> words = key.AsUInt32();
        words ^= Vector128.Shuffle(words, Vector128.Create(4u, 0, 1, 2));
        words ^= Vector128.Shuffle(words, Vector128.Create(4u, 4, 0, 1));
        return (words ^ Vector128.Shuffle(assist.AsUInt32(), Vector128.Create(3u, 3, 3, 3))).AsByte();
    }

    private static void TransformArm(
        ReadOnlySpan<byte> key, Vector128<byte> upper, ulong counter, Span<byte> data)
    {
        Span<Vector128<byte>> k = stackalloc Vector128<byte>[Rounds + 1];
        ExpandKeyArm(key, k);
        int offset = 0;
        for (; data.Length - offset >= 4 * BlockBytes; offset += 4 * BlockBytes)
        {
            Vector128<byte> b0 = CounterBlock(upper, counter), b1 = CounterBlock(upper, counter + 1);
            Vector128<byte> b2 = CounterBlock(upper, counter + 2), b3 = CounterBlock(upper, counter + 3);
            for (int round = 0; round < Rounds - 1; round++)
            {
                b0 = ArmAes.MixColumns(ArmAes.Encrypt(b0, k[round]));
                b1 = ArmAes.MixColumns(ArmAes.Encrypt(b1, k[round]));
                b2 = ArmAes.MixColumns(ArmAes.Encrypt(b2, k[round]));
                b3 = ArmAes.MixColumns(ArmAes.Encrypt(b3, k[round]));
            }

            XorPart(data[offset..], ArmAes.Encrypt(b0, k[Rounds - 1]) ^ k[Rounds]);
            XorPart(data[(offset + 16)..], ArmAes.Encrypt(b1, k[Rounds - 1]) ^ k[Rounds]);
            XorPart(data[(offset + 32)..], ArmAes.Encrypt(b2, k[Rounds - 1]) ^ k[Rounds]);
            XorPart(data[(offset + 48)..], ArmAes.Encrypt(b3, k[Rounds - 1]) ^ k[Rounds]);
            counter += 4;
        }

        for (; offset < data.Length; offset += BlockBytes, counter++)
        {
            Vector128<byte> b = CounterBlock(upper, counter);
            for (int round = 0; round < Rounds - 1; round++)
                b = ArmAes.MixColumns(ArmAes.Encrypt(b, k[round]));
            XorPart(data[offset..], ArmAes.Encrypt(b, k[Rounds - 1]) ^ k[Rounds]);
        }
    }

    private static void ExpandKeyArm(ReadOnlySpan<byte> key, Span<Vector128<byte>> k)
    {
        k[0] = Vector128.Create(key);
        uint constant = 1;
        for (int round = 1; round <= Rounds; round++)
        {
            // With the same word in all columns, the row shift inside the instruction changes nothing.
            Vector128<uint> last = Vector128.Create(k[round - 1].AsUInt32()[3]);
            uint image = ArmAes.Encrypt(last.AsByte(), Vector128<byte>.Zero).AsUInt32()[0];
            image = (image >> 8 | image << 24) ^ constant;
            Vector128<uint> words = k[round - 1].AsUInt32();
            uint w0 = words[0] ^ image, w1 = words[1] ^ w0, w2 = words[2] ^ w1, w3 = words[3] ^ w2;
            k[round] = Vector128.Create(w0, w1, w2, w3).AsByte();
            constant = constant << 1 ^ (constant >> 7) * 0x11B;
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void XorInto(ref byte block, Vector128<byte> stream) =>
        (Vector128.LoadUnsafe(ref block) ^ stream).StoreUnsafe(ref block);

    private static void XorPart(Span<byte> data, Vector128<byte> stream)
    {
        if (data.Length >= BlockBytes)
        {
            XorInto(ref MemoryMarshal.GetReference(data), stream);
            return;
        }

        Span<byte> bytes = stackalloc byte[BlockBytes];
        stream.CopyTo(bytes);
        for (int i = 0; i < data.Length; i++)
            data[i] ^= bytes[i];
    }
}
