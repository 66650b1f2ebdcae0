using System.Buffers.Binary;

namespace FastExit.Crypto.Primitives;

// AES-128 in counter mode for machines without AES instructions, four blocks at a time.
//
// References
//   FIPS 197 §4 (the field), §5.1 (cipher), §5.2 (key schedule)
//
// Parameters
//   state: 8 words, word k holds bit k of 64 bytes (4 blocks of 16), bit position = byte position; key 16 bytes
//
// The S-box inverts by x^254 with products of bit planes: some 30 cycles a byte, the price of having neither a table nor a
// long circuit to trust.
//
// Constant time: logic and shifts on whole planes only; no look-up, no branch on data.
internal static class AesBitsliced
{
    private const int Rounds = 10, Planes = 8, GroupBytes = 64;

    // Bits of the bytes of row 1, 2 and 3 in every block; row 0 does not move.
    private const ulong Row0 = 0x1111111111111111, Row1 = Row0 << 1, Row2 = Row0 << 2, Row3 = Row0 << 3;

    /// <summary>data = data xor the key stream from counter block iv on; the low 64 bits count.</summary>
    public static void Transform(ReadOnlySpan<byte> key, ReadOnlySpan<byte> iv, Span<byte> data)
    {
        Span<ulong> keys = stackalloc ulong[Planes * (Rounds + 1)];
        ExpandKey(key, keys);
        Span<byte> group = stackalloc byte[GroupBytes];
        Span<ulong> state = stackalloc ulong[Planes];
        ulong counter = BinaryPrimitives.ReadUInt64BigEndian(iv[8..]);
        while (!data.IsEmpty)
        {
            for (int block = 0; block < GroupBytes; block += 16, counter++)
            {
                iv[..8].CopyTo(group[block..]);
                BinaryPrimitives.WriteUInt64BigEndian(group[(block + 8)..], counter);
            }

            Load(group, state);
            Encrypt(keys, state);
            Store(state, group);
            int taken = Math.Min(GroupBytes, data.Length);
            for (int i = 0; i < taken; i++)
                data[i] ^= group[i];
            data = data[taken..];
        }
    }

    private static void Encrypt(ReadOnlySpan<ulong> keys, Span<ulong> state)
    {
        AddRoundKey(state, keys);
        for (int round = 1; round < Rounds; round++)
        {
            Substitute(state);
            ShiftRows(state);
            MixColumns(state);
            AddRoundKey(state, keys[(Planes * round)..]);
        }

        Substitute(state);
        ShiftRows(state);
        AddRoundKey(state, keys[(Planes * Rounds)..]);
    }

    private static void ExpandKey(ReadOnlySpan<byte> key, Span<ulong> keys)
    {
        Span<byte> group = stackalloc byte[GroupBytes];
        Span<byte> roundKey = stackalloc byte[16];
        Span<ulong> state = stackalloc ulong[Planes];
        key.CopyTo(roundKey);
        uint constant = 1;
        for (int round = 0; ; round++)
        {
            for (int block = 0; block < GroupBytes; block += 16)
                roundKey.CopyTo(group[block..]);
            Load(group, keys.Slice(Planes * round, Planes));
            if (round == Rounds)
                return;

            keys.Slice(Planes * round, Planes).CopyTo(state);
            Substitute(state);
            Store(state, group);
            // First word: xor with the last one, substituted and rotated by a byte; the others: xor with the one before.
            roundKey[0] ^= (byte)(group[13] ^ constant);
            roundKey[1] ^= group[14];
            roundKey[2] ^= group[15];
            roundKey[3] ^= group[12];
            for (int i = 4; i < 16; i++)
                roundKey[i] ^= roundKey[i - 4];
            constant = constant << 1 ^ (constant >> 7) * 0x11B;
        }
    }

    private static void AddRoundKey(Span<ulong> state, ReadOnlySpan<ulong> key)
    {
        for (int i = 0; i < Planes; i++)
            state[i] ^= key[i];
    }

    // S(x) = A x^254 + 0x63.
    private static void Substitute(Span<ulong> x)
    {
        Span<ulong> x2 = stackalloc ulong[Planes];
        Span<ulong> x3 = stackalloc ulong[Planes];
        Span<ulong> x12 = stackalloc ulong[Planes];
        Span<ulong> x240 = stackalloc ulong[Planes];
        x.CopyTo(x2);
        Square(x2);
        Multiply(x2, x, x3);
        x3.CopyTo(x12);
        Square(x12);
        Square(x12);
        Multiply(x12, x3, x240);
        for (int i = 0; i < 4; i++)
            Square(x240);
        Multiply(x240, x12, x240);
        Multiply(x240, x2, x240);
        for (int i = 0; i < Planes; i++)
        {
            x[i] = x240[i] ^ x240[(i + 4) & 7] ^ x240[(i + 5) & 7] ^ x240[(i + 6) & 7] ^ x240[(i + 7) & 7];
            x[i] ^= 0 - (0x63UL >> i & 1);
        }
    }

    // In GF(2)[x] / (x^8 + x^4 + x^3 + x + 1), result may be an operand.
    private static void Multiply(ReadOnlySpan<ulong> a, ReadOnlySpan<ulong> b, Span<ulong> result)
    {
        Span<ulong> wide = stackalloc ulong[2 * Planes - 1];
        wide.Clear();
        for (int i = 0; i < Planes; i++)
        {
            for (int j = 0; j < Planes; j++)
                wide[i + j] ^= a[i] & b[j];
        }

        Fold(wide);
        wide[..Planes].CopyTo(result);
    }

    private static void Square(Span<ulong> a)
    {
        Span<ulong> wide = stackalloc ulong[2 * Planes - 1];
        wide.Clear();
        for (int i = 0; i < Planes; i++)
            wide[2 * i] = a[i];
        Fold(wide);
        wide[..Planes].CopyTo(a);
    }

    private static void Fold(Span<ulong> wide)
    {
        for (int i = 2 * Planes - 2; i >= Planes; i--)
        {
            wide[i - 4] ^= wide[i];
            wide[i - 5] ^= wide[i];
            wide[i - 7] ^= wide[i];
            wide[i - 8] ^= wide[i];
        }
    }

    // Byte r + 4c of a block is row r, column c: row r moves 4r bits down, round its 16-bit group.
    private static void ShiftRows(Span<ulong> state)
    {
        for (int i = 0; i < Planes; i++)
        {
            ulong p = state[i];
            state[i] = (p & Row0)
                | (p >> 4 & 0x0FFF0FFF0FFF0FFF & Row1) | (p << 12 & 0xF000F000F000F000 & Row1)
                | (p >> 8 & 0x00FF00FF00FF00FF & Row2) | (p << 8 & 0xFF00FF00FF00FF00 & Row2)
                | (p >> 12 & 0x000F000F000F000F & Row3) | (p << 4 & 0xFFF0FFF0FFF0FFF0 & Row3);
        }
    }

    // b[r] = 2 (a[r] + a[r+1]) + a[r+1] + a[r+2] + a[r+3]; the rows of a column are 4 neighbouring bits.
    private static void MixColumns(Span<ulong> state)
    {
        Span<ulong> doubled = stackalloc ulong[Planes];
        for (int i = 0; i < Planes; i++)
            doubled[i] = state[i] ^ NextRow(state[i]);
        ulong top = doubled[7];
        for (int i = 0; i < Planes; i++)
        {
            ulong p = state[i], next = NextRow(p), opposite = NextRow(next);
            ulong twice = i == 0 ? top : doubled[i - 1];
            // 2x folds its top bit into bits 0, 1, 3 and 4.
            if (i is 1 or 3 or 4)
                twice ^= top;
            state[i] = twice ^ next ^ opposite ^ NextRow(opposite);
        }
    }

    private static ulong NextRow(ulong plane) => plane >> 1 & ~Row3 | plane << 3 & Row3;

    private static void Load(ReadOnlySpan<byte> bytes, Span<ulong> state)
    {
        state.Clear();
        for (int i = 0; i < 8; i++)
        {
            ulong w = Transpose(BinaryPrimitives.ReadUInt64LittleEndian(bytes[(8 * i)..]));
            for (int plane = 0; plane < Planes; plane++)
                state[plane] |= (w >> (8 * plane) & 0xFF) << (8 * i);
        }
    }

    private static void Store(ReadOnlySpan<ulong> state, Span<byte> bytes)
    {
        for (int i = 0; i < 8; i++)
        {
            ulong w = 0;
            for (int plane = 0; plane < Planes; plane++)
                w |= (state[plane] >> (8 * i) & 0xFF) << (8 * plane);
            BinaryPrimitives.WriteUInt64LittleEndian(bytes[(8 * i)..], Transpose(w));
        }
    }

    // 8 x 8 bits about the diagonal.
    private static ulong Transpose(ulong w)
    {
        ulong t = (w ^ w >> 7) & 0x00AA00AA00AA00AA;
        w ^= t ^ t << 7;
        t = (w ^ w >> 14) & 0x0000CCCC0000CCCC;
        w ^= t ^ t << 14;
        t = (w ^ w >> 28) & 0x00000000F0F0F0F0;
        return w ^ t ^ t << 28;
    }
}
