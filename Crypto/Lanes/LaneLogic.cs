using System.Diagnostics.CodeAnalysis;
using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace FastExit.Crypto.Lanes;

// What 256-bit kernels do differently with and without AVX-512 VL. A type parameter and not a test inside: the kernel of
// each level is compiled apart, so that one process can run both.
internal interface ILaneLogic
{
    static abstract Vector256<uint> RotateRight(Vector256<uint> x, [ConstantExpected] byte bits);

    static abstract Vector256<ulong> RotateRight(Vector256<ulong> x, [ConstantExpected] byte bits);

    static abstract Vector256<uint> Xor(Vector256<uint> x, Vector256<uint> y, Vector256<uint> z);

    /// <summary>Bits of y where x is set, else of z.</summary>
    static abstract Vector256<uint> Choose(Vector256<uint> x, Vector256<uint> y, Vector256<uint> z);

    static abstract Vector256<uint> Majority(Vector256<uint> x, Vector256<uint> y, Vector256<uint> z);
}

internal readonly struct Avx2Logic : ILaneLogic
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<uint> RotateRight(Vector256<uint> x, [ConstantExpected] byte bits)
    {
        // Whole bytes move by one shuffle.
        if (bits == 8)
        {
            return Avx2.Shuffle(
                x.AsByte(),
                Vector256.Create((byte)1, 2, 3, 0, 5, 6, 7, 4, 9, 10, 11, 8, 13, 14, 15, 12, 1, 2, 3, 0, 5, 6, 7, 4, 9, 10, 11, 8, 13, 14, 15, 12))
                .AsUInt32();
        }

        if (bits == 16)
        {
            return Avx2.Shuffle(
                x.AsByte(),
                Vector256.Create((byte)2, 3, 0, 1, 6, 7, 4, 5, 10, 11, 8, 9, 14, 15, 12, 13, 2, 3, 0, 1, 6, 7, 4, 5, 10, 11, 8, 9, 14, 15, 12, 13))
                .AsUInt32();
        }

        return x >>> bits | x << (32 - bits);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<ulong> RotateRight(Vector256<ulong> x, [ConstantExpected] byte bits)
    {
        if (bits == 16)
        {
            return Avx2.Shuffle(
                x.AsByte(),
                Vector256.Create((byte)2, 3, 4, 5, 6, 7, 0, 1, 10, 11, 12, 13, 14, 15, 8, 9, 2, 3, 4, 5, 6, 7, 0, 1, 10, 11, 12, 13, 14, 15, 8, 9))
                .AsUInt64();
        }

        if (bits == 24)
        {
            return Avx2.Shuffle(
                x.AsByte(),
                Vector256.Create((byte)3, 4, 5, 6, 7, 0, 1, 2, 11, 12, 13, 14, 15, 8, 9, 10, 3, 4, 5, 6, 7, 0, 1, 2, 11, 12, 13, 14, 15, 8, 9, 10))
                .AsUInt64();
        }

        if (bits == 32)
            return Avx2.Shuffle(x.AsUInt32(), 0xB1).AsUInt64();
        return x >>> bits | x << (64 - bits);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<uint> Xor(Vector256<uint> x, Vector256<uint> y, Vector256<uint> z) => x ^ y ^ z;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<uint> Choose(Vector256<uint> x, Vector256<uint> y, Vector256<uint> z) => z ^ (x & (y ^ z));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<uint> Majority(Vector256<uint> x, Vector256<uint> y, Vector256<uint> z) => (x & y) | (z & (x | y));
}

internal readonly struct Avx512Logic : ILaneLogic
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<uint> RotateRight(Vector256<uint> x, [ConstantExpected] byte bits) => Avx512F.VL.RotateRight(x, bits);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<ulong> RotateRight(Vector256<ulong> x, [ConstantExpected] byte bits) => Avx512F.VL.RotateRight(x, bits);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<uint> Xor(Vector256<uint> x, Vector256<uint> y, Vector256<uint> z) =>
        Avx512F.VL.TernaryLogic(x, y, z, 0x96);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<uint> Choose(Vector256<uint> x, Vector256<uint> y, Vector256<uint> z) =>
        Avx512F.VL.TernaryLogic(x, y, z, 0xCA);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<uint> Majority(Vector256<uint> x, Vector256<uint> y, Vector256<uint> z) =>
        Avx512F.VL.TernaryLogic(x, y, z, 0xE8);
}
