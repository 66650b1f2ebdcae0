using System.Buffers.Binary;
using System.Numerics;
using System.Runtime.CompilerServices;
using System.Security.Cryptography;

namespace FastExit.Crypto.Primitives;

/// <summary>SHA-256.</summary>
/// <remarks>
/// <para>References: FIPS 180-4 §4.1.2, §5.1.1, §6.2.</para>
/// <para>Parameters: digest 32 bytes, block 64 bytes, any message length.</para>
/// <para>Constant time: additions, rotations and logic only; time depends on the length alone. Above the portable level long
/// messages go to the system's library, which is constant-time too.</para>
/// </remarks>
[SkipLocalsInit]
public static class Sha256
{
    /// <summary>Bytes of a digest.</summary>
    public const int HashBytes = 32;

    /// <summary>Bytes of a block.</summary>
    public const int BlockBytes = 64;

    // An array and not a span over constants: unoptimised builds would copy those to the heap at every use.
    internal static readonly uint[] RoundConstants =
    [
        0x428A2F98, 0x71374491, 0xB5C0FBCF, 0xE9B5DBA5, 0x3956C25B, 0x59F111F1, 0x923F82A4, 0xAB1C5ED5,
        0xD807AA98, 0x12835B01, 0x243185BE, 0x550C7DC3, 0x72BE5D74, 0x80DEB1FE, 0x9BDC06A7, 0xC19BF174,
        0xE49B69C1, 0xEFBE4786, 0x0FC19DC6, 0x240CA1CC, 0x2DE92C6F, 0x4A7484AA, 0x5CB0A9DC, 0x76F988DA,
        0x983E5152, 0xA831C66D, 0xB00327C8, 0xBF597FC7, 0xC6E00BF3, 0xD5A79147, 0x06CA6351, 0x14292967,
        0x27B70A85, 0x2E1B2138, 0x4D2C6DFC, 0x53380D13, 0x650A7354, 0x766A0ABB, 0x81C2C92E, 0x92722C85,
        0xA2BFE8A1, 0xA81A664B, 0xC24B8B70, 0xC76C51A3, 0xD192E819, 0xD6990624, 0xF40E3585, 0x106AA070,
        0x19A4C116, 0x1E376C08, 0x2748774C, 0x34B0BCB5, 0x391C0CB3, 0x4ED8AA4A, 0x5B9CCA4F, 0x682E6FF3,
        0x748F82EE, 0x78A5636F, 0x84C87814, 0x8CC70208, 0x90BEFFFA, 0xA4506CEB, 0xBEF9A3F7, 0xC67178F2,
    ];

    // From here the system's function, which has the processor's SHA instructions and .NET 10 itself not, makes up for the
    // way to it.
    private const int SystemFrom = 64;

    /// <summary>digest = SHA-256(data); digest takes 32 bytes.</summary>
    public static void Hash(ReadOnlySpan<byte> data, Span<byte> digest) => Hash(CpuLevels.Current, data, digest);

    internal static void Hash(CpuLevel level, ReadOnlySpan<byte> data, Span<byte> digest)
    {
        if (level != CpuLevel.Portable && data.Length >= SystemFrom)
        {
            SHA256.HashData(data, digest);
            return;
        }

        Sha256State state = Sha256State.Initial;
        Finish(ref state, data, 0, digest);
    }

    // Digest of what was compressed into the state (a multiple of 64 bytes) followed by tail.
    internal static void Finish(ref Sha256State state, ReadOnlySpan<byte> tail, long compressedBytes, Span<byte> digest)
    {
        ulong bits = (ulong)(compressedBytes + tail.Length) * 8;
        while (tail.Length >= BlockBytes)
        {
            Compress(ref state, tail);
            tail = tail[BlockBytes..];
        }

        Span<byte> last = stackalloc byte[2 * BlockBytes];
        last.Clear();
        tail.CopyTo(last);
        last[tail.Length] = 0x80;
        int end = tail.Length + 9 <= BlockBytes ? BlockBytes : 2 * BlockBytes;
        BinaryPrimitives.WriteUInt64BigEndian(last[(end - 8)..], bits);
        Compress(ref state, last);
        if (end > BlockBytes)
            Compress(ref state, last[BlockBytes..]);
        state.Write(digest);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    internal static unsafe void Compress(ref Sha256State state, ReadOnlySpan<byte> block)
    {
        uint* w = stackalloc uint[64];
        for (int i = 0; i < 16; i++)
            w[i] = BinaryPrimitives.ReadUInt32BigEndian(block.Slice(4 * i, 4));
        for (int i = 16; i < 64; i++)
        {
            uint w15 = w[i - 15], w2 = w[i - 2];
            uint s0 = BitOperations.RotateRight(w15, 7) ^ BitOperations.RotateRight(w15, 18) ^ w15 >> 3;
            uint s1 = BitOperations.RotateRight(w2, 17) ^ BitOperations.RotateRight(w2, 19) ^ w2 >> 10;
            w[i] = w[i - 16] + s0 + w[i - 7] + s1;
        }

        uint a = state[0], b = state[1], c = state[2], d = state[3];
        uint e = state[4], f = state[5], g = state[6], h = state[7];
        fixed (uint* k = RoundConstants)
        {
            for (int i = 0; i < 64; i += 8)
            {
                Round(a, b, c, ref d, e, f, g, ref h, k[i] + w[i]);
                Round(h, a, b, ref c, d, e, f, ref g, k[i + 1] + w[i + 1]);
                Round(g, h, a, ref b, c, d, e, ref f, k[i + 2] + w[i + 2]);
                Round(f, g, h, ref a, b, c, d, ref e, k[i + 3] + w[i + 3]);
                Round(e, f, g, ref h, a, b, c, ref d, k[i + 4] + w[i + 4]);
                Round(d, e, f, ref g, h, a, b, ref c, k[i + 5] + w[i + 5]);
                Round(c, d, e, ref f, g, h, a, ref b, k[i + 6] + w[i + 6]);
                Round(b, c, d, ref e, f, g, h, ref a, k[i + 7] + w[i + 7]);
            }
        }

        state[0] += a;
        state[1] += b;
        state[2] += c;
        state[3] += d;
        state[4] += e;
        state[5] += f;
        state[6] += g;
        state[7] += h;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Round(uint a, uint b, uint c, ref uint d, uint e, uint f, uint g, ref uint h, uint kw)
    {
        uint s1 = BitOperations.RotateRight(e, 6) ^ BitOperations.RotateRight(e, 11) ^ BitOperations.RotateRight(e, 25);
        uint t = h + s1 + (g ^ (e & (f ^ g))) + kw;
        uint s0 = BitOperations.RotateRight(a, 2) ^ BitOperations.RotateRight(a, 13) ^ BitOperations.RotateRight(a, 22);
        d += t;
        h = t + s0 + ((a & b) | (c & (a | b)));
    }
}

// The eight chaining words between blocks: a midstate.
[InlineArray(8)]
internal struct Sha256State
{
    private uint _first;

    public static Sha256State Initial
    {
        get
        {
            Sha256State state = default;
            state[0] = 0x6A09E667;
            state[1] = 0xBB67AE85;
            state[2] = 0x3C6EF372;
            state[3] = 0xA54FF53A;
            state[4] = 0x510E527F;
            state[5] = 0x9B05688C;
            state[6] = 0x1F83D9AB;
            state[7] = 0x5BE0CD19;
            return state;
        }
    }

    public readonly void Write(Span<byte> digest)
    {
        for (int i = 0; i < 8; i++)
            BinaryPrimitives.WriteUInt32BigEndian(digest.Slice(4 * i, 4), this[i]);
    }
}
