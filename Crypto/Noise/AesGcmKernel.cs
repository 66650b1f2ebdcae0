using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;
using Block = System.Runtime.Intrinsics.Vector128<byte>;

namespace FastExit.Crypto.Noise;

// AES-256 in Galois/counter mode with the instructions of x86, 8 blocks in flight and one reduction for 8 products.
//
// References
//   FIPS 197 §5.2; SP 800-38D §6.3 (product), §6.4 (GHASH), §6.5 (counter)
//
// Layout
//   key.Rounds[0..14]: round keys; key.Powers[i]: H^(i+1) times x, byte-reversed
//   GHASH values are byte-reversed too: then the carry-less product of two of them is the product in the field, shifted
//   by one bit, which the extra x in the powers makes up for
//
// Constant time: AES and carry-less multiplication instructions, no table, no branch on data.
internal static unsafe class AesGcmKernel
{
    public const int BlockBytes = 16, GroupBlocks = 8, GroupBytes = GroupBlocks * BlockBytes;

    private const int Rounds = AesGcmKey.Rounds;
    private const MethodImplOptions Kernel = MethodImplOptions.NoInlining | MethodImplOptions.AggressiveOptimization;

    public static bool IsSupported => Aes.IsSupported && Pclmulqdq.IsSupported && Ssse3.IsSupported;

    private static Block Reversed => Vector128.Create((byte)15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0);

    [MethodImpl(Kernel)]
    public static void ExpandKey(byte* bytes, AesGcmKey* key)
    {
        Block* rounds = (Block*)key;
        Block even = Vector128.Load(bytes), odd = Vector128.Load(bytes + BlockBytes);
        Block rotated = Vector128.Create((byte)13, 14, 15, 12, 13, 14, 15, 12, 13, 14, 15, 12, 13, 14, 15, 12);
        Block straight = Vector128.Create((byte)12, 13, 14, 15, 12, 13, 14, 15, 12, 13, 14, 15, 12, 13, 14, 15);
        rounds[0] = even;
        rounds[1] = odd;
        uint constant = 1;
        for (int i = 2; i <= Rounds; i += 2, constant <<= 1)
        {
            // With one word in all columns the instruction's row shift changes nothing: its S-box is what is wanted.
            even = Folded(even) ^ Aes.EncryptLast(Ssse3.Shuffle(odd, rotated), Vector128.Create(constant).AsByte());
            rounds[i] = even;
            if (i == Rounds)
                break;
            odd = Folded(odd) ^ Aes.EncryptLast(Ssse3.Shuffle(even, straight), Block.Zero);
            rounds[i + 1] = odd;
        }

        Block h = Ssse3.Shuffle(Encrypt(rounds, Block.Zero), Reversed);
        // times x: one bit up, what falls out at the top comes back as the polynomial.
        Vector128<ulong> words = h.AsUInt64();
        ulong low = words[0], high = words[1], carry = 0 - (high >> 63);
        Block first = Vector128.Create(low << 1 ^ (carry & 1), (high << 1 | low >> 63) ^ (carry & 0xC200000000000000)).AsByte();
        Block* powers = rounds + Rounds + 1;
        Block power = first;
        for (int i = 0; i < GroupBlocks; i++)
        {
            powers[i] = power;
            power = Multiply(power, first);
        }
    }

    /// <summary>One encrypted block.</summary>
    [MethodImpl(Kernel)]
    public static Block EncryptBlock(AesGcmKey* key, Block block) => Encrypt((Block*)key, block);

    /// <summary>y = (y xor block) H for each block; y and blocks are in wire order.</summary>
    [MethodImpl(Kernel)]
    public static Block Hash(AesGcmKey* key, Block y, byte* data, int blocks)
    {
        Block reversed = Reversed, sum = Ssse3.Shuffle(y, reversed), h = ((Block*)key)[Rounds + 1];
        for (; blocks > 0; blocks--, data += BlockBytes)
            sum = Multiply(sum ^ Ssse3.Shuffle(Vector128.Load(data), reversed), h);
        return Ssse3.Shuffle(sum, reversed);
    }

    /// <summary>
    /// Whole blocks from source to destination (the same, or apart), counting on from the 32-bit counter at the end of the counter block;
    /// returns y with the ciphertext hashed in.
    /// </summary>
    [MethodImpl(Kernel)]
    public static Block Crypt(
        AesGcmKey* key, Block counterBlock, uint counter, Block y, byte* source, byte* destination, int blocks, bool encrypts)
    {
        Block* rounds = (Block*)key;
        Block* powers = rounds + Rounds + 1;
        Block reversed = Reversed, sum = Ssse3.Shuffle(y, reversed);
        // Decrypting, a group is hashed while its key stream is made; encrypting, the group before.
        byte* hashed = encrypts ? null : source;
        for (; blocks >= GroupBlocks; blocks -= GroupBlocks, counter += GroupBlocks, source += GroupBytes, destination += GroupBytes)
        {
            Block k = rounds[0];
            Block b0 = Counter(counterBlock, counter) ^ k, b1 = Counter(counterBlock, counter + 1) ^ k;
            Block b2 = Counter(counterBlock, counter + 2) ^ k, b3 = Counter(counterBlock, counter + 3) ^ k;
            Block b4 = Counter(counterBlock, counter + 4) ^ k, b5 = Counter(counterBlock, counter + 5) ^ k;
            Block b6 = Counter(counterBlock, counter + 6) ^ k, b7 = Counter(counterBlock, counter + 7) ^ k;
            int round = 1;
            if (hashed != null)
            {
                Products products = default;
                for (; round <= GroupBlocks; round++, hashed += BlockBytes)
                {
                    k = rounds[round];
                    b0 = Aes.Encrypt(b0, k);
                    b1 = Aes.Encrypt(b1, k);
                    b2 = Aes.Encrypt(b2, k);
                    b3 = Aes.Encrypt(b3, k);
                    products.Add(Ssse3.Shuffle(Vector128.Load(hashed), reversed) ^ sum, powers[GroupBlocks - round]);
                    sum = Block.Zero;
                    b4 = Aes.Encrypt(b4, k);
                    b5 = Aes.Encrypt(b5, k);
                    b6 = Aes.Encrypt(b6, k);
                    b7 = Aes.Encrypt(b7, k);
                }

                sum = products.Reduce();
            }

            for (; round < Rounds; round++)
            {
                k = rounds[round];
                b0 = Aes.Encrypt(b0, k);
                b1 = Aes.Encrypt(b1, k);
                b2 = Aes.Encrypt(b2, k);
                b3 = Aes.Encrypt(b3, k);
                b4 = Aes.Encrypt(b4, k);
                b5 = Aes.Encrypt(b5, k);
                b6 = Aes.Encrypt(b6, k);
                b7 = Aes.Encrypt(b7, k);
            }

            k = rounds[Rounds];
            (Aes.EncryptLast(b0, k) ^ Vector128.Load(source)).Store(destination);
            (Aes.EncryptLast(b1, k) ^ Vector128.Load(source + 16)).Store(destination + 16);
            (Aes.EncryptLast(b2, k) ^ Vector128.Load(source + 32)).Store(destination + 32);
            (Aes.EncryptLast(b3, k) ^ Vector128.Load(source + 48)).Store(destination + 48);
            (Aes.EncryptLast(b4, k) ^ Vector128.Load(source + 64)).Store(destination + 64);
            (Aes.EncryptLast(b5, k) ^ Vector128.Load(source + 80)).Store(destination + 80);
            (Aes.EncryptLast(b6, k) ^ Vector128.Load(source + 96)).Store(destination + 96);
            (Aes.EncryptLast(b7, k) ^ Vector128.Load(source + 112)).Store(destination + 112);
            if (encrypts)
                hashed = destination;
        }

        if (encrypts && hashed != null)
        {
            Products products = default;
            for (int i = GroupBlocks - 1; i >= 0; i--, hashed += BlockBytes)
            {
                products.Add(Ssse3.Shuffle(Vector128.Load(hashed), reversed) ^ sum, powers[i]);
                sum = Block.Zero;
            }

            sum = products.Reduce();
        }

        for (; blocks > 0; blocks--, counter++, source += BlockBytes, destination += BlockBytes)
        {
            Block input = Vector128.Load(source), output = Encrypt(rounds, Counter(counterBlock, counter)) ^ input;
            output.Store(destination);
            sum = Multiply(sum ^ Ssse3.Shuffle(encrypts ? output : input, reversed), powers[0]);
        }

        return Ssse3.Shuffle(sum, reversed);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Block Counter(Block counterBlock, uint counter) =>
        counterBlock.AsUInt32().WithElement(3, System.Buffers.Binary.BinaryPrimitives.ReverseEndianness(counter)).AsByte();

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Block Folded(Block k)
    {
        k ^= Sse2.ShiftLeftLogical128BitLane(k, 4);
        return k ^ Sse2.ShiftLeftLogical128BitLane(k, 8);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Block Encrypt(Block* rounds, Block block)
    {
        block ^= rounds[0];
        for (int round = 1; round < Rounds; round++)
            block = Aes.Encrypt(block, rounds[round]);
        return Aes.EncryptLast(block, rounds[Rounds]);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Block Multiply(Block a, Block b)
    {
        Products products = default;
        products.Add(a, b);
        return products.Reduce();
    }

    // Sums of products of 256 bits: high and low half, and what lies across the middle.
    private struct Products
    {
        private Vector128<ulong> _low, _middle, _high;

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public void Add(Block a, Block b)
        {
            Vector128<ulong> x = a.AsUInt64(), y = b.AsUInt64();
            _low ^= Pclmulqdq.CarrylessMultiply(x, y, 0x00);
            _middle ^= Pclmulqdq.CarrylessMultiply(x, y, 0x01) ^ Pclmulqdq.CarrylessMultiply(x, y, 0x10);
            _high ^= Pclmulqdq.CarrylessMultiply(x, y, 0x11);
        }

        /// <summary>Folds the lowest 64 bits up by the polynomial, twice.</summary>
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public readonly Block Reduce()
        {
            Vector128<ulong> polynomial = Vector128.Create(0xC200000000000000, 0UL);
            Vector128<ulong> middle = _middle ^ Swapped(_low) ^ Pclmulqdq.CarrylessMultiply(_low, polynomial, 0x00);
            return (_high ^ Swapped(middle) ^ Pclmulqdq.CarrylessMultiply(middle, polynomial, 0x00)).AsByte();
        }

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        private static Vector128<ulong> Swapped(Vector128<ulong> value) => Sse2.Shuffle(value.AsUInt32(), 0x4E).AsUInt64();
    }
}
