using System.Numerics;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics.X86;
using FastExit.Crypto.Primitives;

namespace FastExit.Crypto.Lanes;

/// <summary>
/// Fixed-base table of one long-lived X25519 public key: makes <see cref="X25519.MultiplyTableLanes"/> several times as
/// fast as a ladder.
/// </summary>
/// <remarks>
/// <para>Layout: a signed comb of five teeth (<see cref="CombShape"/>), four blocks of 16 points, each as (y + x) / 2,
/// (y - x) / 2 and d x y on the Edwards form, canonical, five limbs of 51 bits. A limb is a row of all 16 entries, so that
/// one constant-time permutation picks from it. Point e of block b is the sum of 2^(13 (t + 5b)) P over the teeth t: plus
/// for tooth 4 and where bit t of e is set, else minus.</para>
/// <para>Memory: <see cref="TableBytes"/> bytes of native memory, 64-byte aligned, until <see cref="Dispose"/> or the
/// collector. A table is public data, changes by <see cref="TryMake"/> alone and may be used by any number of threads;
/// changing or disposing of one that a thread is using is the owner's error to avoid. Making one takes a fraction of a
/// millisecond: control plane, or idle time.</para>
/// </remarks>
public sealed unsafe class X25519Table : IDisposable
{
    /// <summary>Bytes that the table of a key takes.</summary>
    public const int TableBytes = 4 * CombShape.BlockWords * sizeof(ulong);

    /// <summary>Bytes that a large table takes.</summary>
    public static readonly int LargeTableBytes = CombShape.Windows.Blocks * CombShape.BlockWords * sizeof(ulong);

    private static readonly X25519Table s_base = OfNine(CombShape.Comb);
    private static readonly X25519Table s_generator = OfNine(CombShape.Windows);

    private readonly byte[] _point = new byte[X25519.KeyBytes];
    private readonly bool _isShared;
    private ulong* _rows;
    private bool _isMade;

    private X25519Table(CombShape shape, bool isShared)
    {
        _isShared = isShared;
        Shape = shape;
        _rows = (ulong*)NativeMemory.AlignedAlloc((nuint)AllBytes, 64);
    }

    ~X25519Table() => Free();

    /// <summary>The table of the generator, u = 9. It lives as long as the process; disposing of it does nothing.</summary>
    public static X25519Table Base => s_base;

    /// <summary>Bytes of native memory that this table takes, 0 when disposed of.</summary>
    public int Bytes => _rows == null ? 0 : AllBytes;

    /// <summary>The generator's larger and faster table, behind the members that have no table for an argument.</summary>
    internal static X25519Table Generator => s_generator;

    internal CombShape Shape { get; }

    /// <summary>The u-coordinate that the table was made for.</summary>
    internal ReadOnlySpan<byte> Point => _point;

    /// <summary>Whether this is the table of a key, as it was written then, and not disposed of.</summary>
    internal bool IsOf(ReadOnlySpan<byte> key) => _rows != null && _isMade && key[..X25519.KeyBytes].SequenceEqual(_point);

    /// <summary>The table's words; ObjectDisposedException after <see cref="Dispose"/>.</summary>
    internal ulong* Rows
    {
        get
        {
            ObjectDisposedException.ThrowIf(_rows == null, this);
            return _rows;
        }
    }

    /// <summary>
    /// The table of a 32-byte u-coordinate, or null when it has none because the point is not of the order of the generator:
    /// a point of the twist, of low order, or with a component of low order. Such a key, which no honest owner has, is left
    /// to <see cref="X25519.MultiplyUnclampedLanes(ReadOnlySpan{byte}, ReadOnlySpan{byte}, Span{byte}, int)"/>.
    /// </summary>
    public static X25519Table? TryCreate(ReadOnlySpan<byte> point) => TryCreate(point, CombShape.Comb);

    /// <summary>
    /// The same in the shape of the generator's: 13 times as large and a sixth faster, as long as it stays in a core's second
    /// cache. For the few keys that are used most.
    /// </summary>
    public static X25519Table? TryCreateLarge(ReadOnlySpan<byte> point) => TryCreate(point, CombShape.Windows);

    /// <summary>
    /// A table of no key yet, for an owner who makes it again and again: one thread, which must not be using it meanwhile.
    /// </summary>
    public static X25519Table CreateEmpty() => new(CombShape.Comb, isShared: false);

    /// <summary>
    /// Makes this the table of a 32-byte u-coordinate; false, and it is the table of no key, where <see cref="TryCreate"/>
    /// gives null. Allocates nothing.
    /// </summary>
    public bool TryMake(ReadOnlySpan<byte> point)
    {
        ArgumentOutOfRangeException.ThrowIfNotEqual(point.Length, X25519.KeyBytes);
        ObjectDisposedException.ThrowIf(_rows == null, this);
        if (_isShared)
            throw new InvalidOperationException("This table is everybody's.");
        _isMade = EdwardsPoint.TryFromMontgomery(point, out EdwardsPoint edwards) && edwards.HasPrimeOrder();
        if (_isMade)
            Make(point, in edwards);
        return _isMade;
    }

    /// <summary>
    /// Asks the CPU to bring the table near, well before it is used: among hundreds it is seldom in a cache that is fast.
    /// </summary>
    internal void Prefetch()
    {
        if (!Sse.IsSupported)
            return;
        byte* end = (byte*)_rows + Bytes;
        for (byte* line = (byte*)_rows; line < end; line += 64)
            Sse.Prefetch1(line);
    }

    /// <summary>Gives the memory back.</summary>
    public void Dispose()
    {
        if (_isShared)
            return;
        Free();
        GC.SuppressFinalize(this);
    }

    private static X25519Table? TryCreate(ReadOnlySpan<byte> point, CombShape shape)
    {
        X25519Table table = new(shape, isShared: false);
        if (table.TryMake(point))
            return table;
        table.Dispose();
        return null;
    }

    private int AllBytes => Shape.Blocks * CombShape.BlockWords * sizeof(ulong);

    private static X25519Table OfNine(CombShape shape)
    {
        Span<byte> nine = stackalloc byte[X25519.KeyBytes];
        nine.Clear();
        nine[0] = 9;
        if (!EdwardsPoint.TryFromMontgomery(nine, out EdwardsPoint edwards))
            throw new InvalidOperationException("The generator has no Edwards form.");
        X25519Table table = new(shape, isShared: true);
        table.Make(nine, in edwards);
        return table;
    }

    private void Make(ReadOnlySpan<byte> key, in EdwardsPoint edwards)
    {
        key.CopyTo(_point);
        _isMade = true;
        Fill(in edwards);
    }

    private void Fill(in EdwardsPoint point)
    {
        Span<EdwardsPoint> entries = stackalloc EdwardsPoint[CombShape.Entries];
        Span<EdwardsPoint> twice = stackalloc EdwardsPoint[CombShape.Teeth];
        EdwardsPoint power = point;
        for (int block = 0; block < Shape.Blocks; block++)
        {
            // Entry 0: minus at every tooth but the uppermost.
            entries[0] = EdwardsPoint.Neutral;
            for (int tooth = 0; tooth < CombShape.Teeth; tooth++)
            {
                entries[0].Add(tooth == CombShape.Teeth - 1 ? power : power.Negated());
                twice[tooth] = power.Twice();
                power = twice[tooth];
                for (int doubled = 1; doubled < Shape.Spacing; doubled++)
                    power = power.Twice();
            }

            for (int entry = 1; entry < CombShape.Entries; entry++)
            {
                entries[entry] = entries[entry & (entry - 1)];
                entries[entry].Add(in twice[BitOperations.TrailingZeroCount(entry)]);
            }

            EdwardsPoint.Normalise(entries);
            for (int entry = 0; entry < CombShape.Entries; entry++)
                Write(block, entry, in entries[entry]);
        }
    }

    private void Write(int block, int entry, in EdwardsPoint point)
    {
        point.Halved(out FieldElement sum, out FieldElement difference, out FieldElement product);
        ulong* first = _rows + block * CombShape.BlockWords + entry;
        WriteLimbs(first, in sum);
        WriteLimbs(first + CombShape.ElementWords, in difference);
        WriteLimbs(first + 2 * CombShape.ElementWords, in product);
    }

    private static void WriteLimbs(ulong* first, in FieldElement value)
    {
        Span<byte> bytes = stackalloc byte[X25519.KeyBytes];
        value.ToBytes(bytes);
        FieldElement canonical = FieldElement.FromBytes(bytes);
        first[0] = canonical.L0;
        first[CombShape.Entries] = canonical.L1;
        first[2 * CombShape.Entries] = canonical.L2;
        first[3 * CombShape.Entries] = canonical.L3;
        first[4 * CombShape.Entries] = canonical.L4;
    }

    private void Free()
    {
        NativeMemory.AlignedFree(_rows);
        _rows = null;
    }
}
