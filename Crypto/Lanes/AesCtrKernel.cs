using System.Buffers.Binary;
using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;
using Block = System.Runtime.Intrinsics.Vector128<byte>;

namespace FastExit.Crypto.Lanes;

// AES-128 in counter mode with the instructions of x86, 8 blocks in flight: of one stream or of 8 streams.
//
// References
//   FIPS 197 §5.1, §5.2; SP 800-38A §6.5
//
// Layout
//   schedule[round * stride + lane], 11 rounds: stride 1 for one stream, 8 for 8 lanes, 16-byte aligned
//   counter blocks: upper 8 bytes as given, then a big-endian count of 64 bits
//
// .NET 10 has the instructions for 128-bit vectors only; two a cycle keep 8 blocks busy.
//
// Constant time: AES instructions; the round constants come in public order.
internal static unsafe class AesCtrKernel
{
    public const int Lanes = 8, BlockBytes = 16, Rounds = 10;

    private const MethodImplOptions Kernel = MethodImplOptions.NoInlining | MethodImplOptions.AggressiveOptimization;

    // With the last word in all columns, the row shift inside the instruction changes nothing: S-box and round constant stay.
    private static Block LastWordRotated => Vector128.Create((byte)13, 14, 15, 12, 13, 14, 15, 12, 13, 14, 15, 12, 13, 14, 15, 12);

    /// <summary>One key, stride 1.</summary>
    [MethodImpl(Kernel)]
    public static void ExpandKey(byte* key, Block* schedule)
    {
        Block k = Vector128.Load(key), rotation = LastWordRotated;
        schedule[0] = k;
        uint constant = 1;
        for (Block* end = schedule + Rounds; schedule < end;)
        {
            k = NextKey(k, rotation, Vector128.Create(constant).AsByte());
            *++schedule = k;
            constant = constant << 1 ^ (constant >> 7) * 0x11B;
        }
    }

    /// <summary>8 keys, stride 8: their chains of instructions overlap.</summary>
    [MethodImpl(Kernel)]
    public static void ExpandKeys(ulong* keys, Block* schedule)
    {
        Block k0 = Vector128.Load((byte*)keys[0]), k1 = Vector128.Load((byte*)keys[1]);
        Block k2 = Vector128.Load((byte*)keys[2]), k3 = Vector128.Load((byte*)keys[3]);
        Block k4 = Vector128.Load((byte*)keys[4]), k5 = Vector128.Load((byte*)keys[5]);
        Block k6 = Vector128.Load((byte*)keys[6]), k7 = Vector128.Load((byte*)keys[7]);
        Block rotation = LastWordRotated;
        uint constant = 1;
        for (Block* end = schedule + Lanes * Rounds; ; schedule += Lanes)
        {
            schedule[0] = k0;
            schedule[1] = k1;
            schedule[2] = k2;
            schedule[3] = k3;
            schedule[4] = k4;
            schedule[5] = k5;
            schedule[6] = k6;
            schedule[7] = k7;
            if (schedule == end)
                return;
            Block c = Vector128.Create(constant).AsByte();
            constant = constant << 1 ^ (constant >> 7) * 0x11B;
            k0 = NextKey(k0, rotation, c);
            k1 = NextKey(k1, rotation, c);
            k2 = NextKey(k2, rotation, c);
            k3 = NextKey(k3, rotation, c);
            k4 = NextKey(k4, rotation, c);
            k5 = NextKey(k5, rotation, c);
            k6 = NextKey(k6, rotation, c);
            k7 = NextKey(k7, rotation, c);
        }
    }

    /// <summary>
    /// data = data xor 8 blocks of a stream, groups times; blocks count on from counter. schedule: the lane's first round key.
    /// </summary>
    [MethodImpl(Kernel)]
    public static void XorStream(Block* schedule, int stride, Block upper, ulong counter, byte* data, int groups)
    {
        for (; groups > 0; groups--, counter += 8, data += 8 * BlockBytes)
        {
            Block* key = schedule;
            Block b0 = CounterBlock(upper, counter) ^ *key, b1 = CounterBlock(upper, counter + 1) ^ *key;
            Block b2 = CounterBlock(upper, counter + 2) ^ *key, b3 = CounterBlock(upper, counter + 3) ^ *key;
            Block b4 = CounterBlock(upper, counter + 4) ^ *key, b5 = CounterBlock(upper, counter + 5) ^ *key;
            Block b6 = CounterBlock(upper, counter + 6) ^ *key, b7 = CounterBlock(upper, counter + 7) ^ *key;
            for (int round = 1; round < Rounds; round++)
            {
                key += stride;
                Block k = *key;
                b0 = Aes.Encrypt(b0, k);
                b1 = Aes.Encrypt(b1, k);
                b2 = Aes.Encrypt(b2, k);
                b3 = Aes.Encrypt(b3, k);
                b4 = Aes.Encrypt(b4, k);
                b5 = Aes.Encrypt(b5, k);
                b6 = Aes.Encrypt(b6, k);
                b7 = Aes.Encrypt(b7, k);
            }

            Block last = key[stride];
            XorBlock(Aes.EncryptLast(b0, last), data);
            XorBlock(Aes.EncryptLast(b1, last), data + 16);
            XorBlock(Aes.EncryptLast(b2, last), data + 32);
            XorBlock(Aes.EncryptLast(b3, last), data + 48);
            XorBlock(Aes.EncryptLast(b4, last), data + 64);
            XorBlock(Aes.EncryptLast(b5, last), data + 80);
            XorBlock(Aes.EncryptLast(b6, last), data + 96);
            XorBlock(Aes.EncryptLast(b7, last), data + 112);
        }
    }

    /// <summary>data = data xor one block; stride 1.</summary>
    [MethodImpl(Kernel)]
    public static void XorOne(Block* schedule, Block upper, ulong counter, byte* data)
    {
        Block b = CounterBlock(upper, counter) ^ *schedule;
        for (int round = 1; round < Rounds; round++)
            b = Aes.Encrypt(b, schedule[round]);
        XorBlock(Aes.EncryptLast(b, schedule[Rounds]), data);
    }

    /// <summary>
    /// data of each of 8 streams = data xor blocks counter, counter + 1, ... with a zero upper half. After every block a
    /// lane's data pointer moves on by its step: 16 bytes, or 0 to stay.
    /// </summary>
    [MethodImpl(Kernel)]
    public static void XorLanes(Block* schedule, ulong counter, ulong* data, ulong* steps, int blocks)
    {
        for (; blocks > 0; blocks--, counter++)
        {
            Block* key = schedule;
            Block start = CounterBlock(Block.Zero, counter);
            Block b0 = start ^ key[0], b1 = start ^ key[1], b2 = start ^ key[2], b3 = start ^ key[3];
            Block b4 = start ^ key[4], b5 = start ^ key[5], b6 = start ^ key[6], b7 = start ^ key[7];
            for (int round = 1; round < Rounds; round++)
            {
                key += Lanes;
                b0 = Aes.Encrypt(b0, key[0]);
                b1 = Aes.Encrypt(b1, key[1]);
                b2 = Aes.Encrypt(b2, key[2]);
                b3 = Aes.Encrypt(b3, key[3]);
                b4 = Aes.Encrypt(b4, key[4]);
                b5 = Aes.Encrypt(b5, key[5]);
                b6 = Aes.Encrypt(b6, key[6]);
                b7 = Aes.Encrypt(b7, key[7]);
            }

            key += Lanes;
            XorBlock(Aes.EncryptLast(b0, key[0]), (byte*)data[0]);
            XorBlock(Aes.EncryptLast(b1, key[1]), (byte*)data[1]);
            XorBlock(Aes.EncryptLast(b2, key[2]), (byte*)data[2]);
            XorBlock(Aes.EncryptLast(b3, key[3]), (byte*)data[3]);
            XorBlock(Aes.EncryptLast(b4, key[4]), (byte*)data[4]);
            XorBlock(Aes.EncryptLast(b5, key[5]), (byte*)data[5]);
            XorBlock(Aes.EncryptLast(b6, key[6]), (byte*)data[6]);
            XorBlock(Aes.EncryptLast(b7, key[7]), (byte*)data[7]);
            for (int lane = 0; lane < Lanes; lane += 2)
                (Vector128.Load(data + lane) + Vector128.Load(steps + lane)).Store(data + lane);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Block CounterBlock(Block upper, ulong counter) =>
        upper.AsUInt64().WithElement(1, BinaryPrimitives.ReverseEndianness(counter)).AsByte();

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void XorBlock(Block stream, byte* data) => (Vector128.Load(data) ^ stream).Store(data);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Block NextKey(Block k, Block rotation, Block constant)
    {
        Block image = Aes.EncryptLast(Ssse3.Shuffle(k, rotation), constant);
        k ^= Sse2.ShiftLeftLogical128BitLane(k, 4);
        k ^= Sse2.ShiftLeftLogical128BitLane(k, 8);
        return k ^ image;
    }
}
