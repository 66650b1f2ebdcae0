namespace FastExit.Crypto.Lanes;

// How a fixed-base table cuts a scalar: the signed multi-comb of Hamburg, "Fast and compact elliptic-curve cryptography",
// §3.3, with five teeth.
//
// An odd k is a sum of all 2^j, j below 5 * spacing * blocks, each with a sign: plus where bit j of k' is set, and k' is k / 2
// with the topmost bit added. A digit takes the five signs that are spacing places apart; a block's digits of all steps
// use the same 16 entries. With spacing 1 these are plain windows of five bits: nothing is ever doubled, and the table is
// large. Every doubling of spacing halves the table: it costs one doubling of the sum more a step.
internal readonly struct CombShape(int spacing, int blocks)
{
    public const int Teeth = 5, Entries = 1 << (Teeth - 1);

    /// <summary>Words of a field element's rows, and of the three elements of a block.</summary>
    public const int ElementWords = 5 * Entries, BlockWords = 3 * ElementWords;

    /// <summary>Plain windows for the generator, of which there is one table: 97,920 bytes, 51 additions.</summary>
    public static readonly CombShape Windows = new(1, 51);

    /// <summary>
    /// For public keys, of which there are hundreds: 7,680 bytes, so that the tables of a network's nodes stay in the
    /// caches; 52 additions and 12 doublings.
    /// </summary>
    public static readonly CombShape Comb = new(13, 4);

    public readonly int Spacing = spacing, Blocks = blocks;

    /// <summary>The position of the topmost sign, which is always plus.</summary>
    public int Top => Teeth * Spacing * Blocks - 1;

    /// <summary>The position of a sign.</summary>
    public int Position(int step, int block, int tooth) => step + Spacing * (tooth + Teeth * block);
}
