using System.Buffers.Binary;
using System.Runtime.CompilerServices;
using FastExit.Crypto.Primitives;

namespace FastExit.Crypto.Lanes;

// X25519 on several lanes with one field kernel: bytes in, lanes packed, ladder or table walk, bytes out.
//
// Scratch memory is the caller's stack, about 6 KiB, and is cleared before it is given back; nothing is allocated, and
// nothing is shared between threads. Idle lanes compute with zeros.
//
// Results may overlay scalars and points of the same lane: all of a pass's lanes are read before its first is written.
internal static unsafe class X25519Lanes<TField>
    where TField : struct, IFieldLanes
{
    private const int IntegerWords = 4, Alignment = 64;

    /// <summary>results = [scalar] point; scalars clamped, or taken as they are, all 256 bits.</summary>
    [SkipLocalsInit]
    [MethodImpl(MethodImplOptions.NoInlining)]
    public static void Multiply(
        ReadOnlySpan<byte> scalars, ReadOnlySpan<byte> points, Span<byte> results, int lanes, bool clamp)
    {
        int integers = IntegerWords * TField.Lanes, words = 2 * integers + LadderLanes<TField>.ScratchWords;
        byte* memory = stackalloc byte[words * sizeof(ulong) + Alignment];
        ulong* k = Align(memory), u = k + integers, scratch = u + integers;
        for (int first = 0; first < lanes; first += TField.Lanes)
        {
            int count = Math.Min(TField.Lanes, lanes - first);
            new Span<ulong>(k, 2 * integers).Clear();
            for (int lane = 0; lane < count; lane++)
            {
                Scalar256 scalar = Scalar256.Read(Key(scalars, first + lane));
                Pack(k, lane, clamp ? scalar.Clamped() : scalar);
                Pack(u, lane, Scalar256.Read(Key(points, first + lane)));
            }

            LadderLanes<TField>.Multiply(k, clamp ? 254 : 255, u, u, scratch);
            Unpack(u, results, first, count);
        }

        new Span<ulong>(k, words).Clear();
    }

    /// <summary>results = [scalar] 9; scalars clamped, or taken as they are, all 256 bits.</summary>
    public static void MultiplyBase(ReadOnlySpan<byte> scalars, Span<byte> results, int lanes, bool clamp)
    {
        TableSlots slots = default;
        ((Span<X25519Table>)slots)[..lanes].Fill(X25519Table.Generator);
        MultiplyTable(scalars, ((ReadOnlySpan<X25519Table>)slots)[..lanes], results, lanes, clamp);
    }

    /// <summary>results = [scalar] table, a table to each lane, of one shape; scalars clamped, or taken as they are, all 256 bits.</summary>
    [SkipLocalsInit]
    [MethodImpl(MethodImplOptions.NoInlining)]
    public static void MultiplyTable(
        ReadOnlySpan<byte> scalars, ReadOnlySpan<X25519Table> tables, Span<byte> results, int lanes, bool clamp)
    {
        int integers = IntegerWords * TField.Lanes, masks = TField.Lanes * TField.Lanes;
        int words = integers + masks + TableLanes<TField>.ScratchWords;
        byte* memory = stackalloc byte[words * sizeof(ulong) + Alignment];
        ulong* k = Align(memory), members = k + integers, scratch = members + masks;
        ulong** rows = stackalloc ulong*[TField.Lanes];
        for (int first = 0; first < lanes; first += TField.Lanes)
        {
            int count = Math.Min(TField.Lanes, lanes - first);
            new Span<ulong>(k, integers + masks).Clear();
            int distinct = 0;
            for (int lane = 0; lane < TField.Lanes; lane++)
            {
                // An idle lane takes the first lane's table, so that it adds none.
                bool idle = lane >= count;
                ulong* own = tables[idle ? first : first + lane].Rows;
                int table = 0;
                while (table < distinct && rows[table] != own)
                    table++;
                if (table == distinct)
                    rows[distinct++] = own;
                members[table * TField.Lanes + lane] = ulong.MaxValue;

                Scalar256 scalar = idle ? default : Scalar256.Read(Key(scalars, first + lane));
                Pack(k, lane, OddScalar.Half(clamp && !idle ? scalar.Clamped() : scalar));
            }

            TableLanes<TField>.Multiply(k, rows, members, distinct, tables[0].Shape, k, scratch);
            Unpack(k, results, first, count);
        }

        new Span<ulong>(k, words).Clear();
        foreach (X25519Table table in tables)
            GC.KeepAlive(table);
    }

    private static ReadOnlySpan<byte> Key(ReadOnlySpan<byte> keys, int lane) =>
        keys.Slice(lane * X25519.KeyBytes, X25519.KeyBytes);

    private static void Pack(ulong* integers, int lane, Scalar256 value)
    {
        integers[lane] = value.W0;
        integers[TField.Lanes + lane] = value.W1;
        integers[2 * TField.Lanes + lane] = value.W2;
        integers[3 * TField.Lanes + lane] = value.W3;
    }

    private static void Unpack(ulong* integers, Span<byte> results, int first, int count)
    {
        for (int lane = 0; lane < count; lane++)
        {
            Span<byte> result = results.Slice((first + lane) * X25519.KeyBytes, X25519.KeyBytes);
            for (int word = 0; word < IntegerWords; word++)
                BinaryPrimitives.WriteUInt64LittleEndian(result[(8 * word)..], integers[word * TField.Lanes + lane]);
        }
    }

    private static ulong* Align(byte* memory) => (ulong*)(((nuint)memory + Alignment - 1) & ~(nuint)(Alignment - 1));

    [InlineArray(X25519.MaximumLanes)]
    private struct TableSlots
    {
        private X25519Table _first;
    }
}
