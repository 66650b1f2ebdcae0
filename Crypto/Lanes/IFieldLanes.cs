namespace FastExit.Crypto.Lanes;

/// <summary>
/// Arithmetic modulo p = 2^255 - 19 on several field elements side by side, one to a vector lane: what
/// <see cref="LadderLanes{TField}"/> and <see cref="TableLanes{TField}"/> are written in.
/// </summary>
/// <remarks>
/// <para>Shapes: an element is <see cref="Words"/> words in 64-byte aligned memory, limb by limb, <see cref="Lanes"/> words
/// to a limb; how many bits a limb has is the kernel's own affair. A mask is one word a lane, all ones or zero. Integers
/// of 256 bits are four words a lane, least significant first: word w of lane i stands at w * Lanes + i.</para>
/// <para>Bounds: operands and results are <i>reduced</i> unless a member says otherwise. <i>Loose</i> is what the sum or the
/// difference of two reduced elements may be; members named after sums and differences form them while loading. Each
/// kernel says what the two mean in bits.</para>
/// <para>A result may take the place of an operand. Constant time: no branch and no index depends on a limb, a mask or a
/// scalar.</para>
/// </remarks>
internal unsafe interface IFieldLanes
{
    /// <summary>Words of an element, the same in every kernel.</summary>
    const int Words = 40;

    /// <summary>Elements side by side.</summary>
    static abstract int Lanes { get; }

    /// <summary>r = the integers, bit 255 ignored.</summary>
    static abstract void Read(ulong* r, ulong* integers);

    /// <summary>integers = a, canonical.</summary>
    static abstract void Write(ulong* integers, ulong* a);

    /// <summary>r = a * b, either of which may be loose.</summary>
    static abstract void Multiply(ulong* r, ulong* a, ulong* b);

    /// <summary>r = (a - a2) * b; b may be loose.</summary>
    static abstract void MultiplyDifference(ulong* r, ulong* a, ulong* a2, ulong* b);

    /// <summary>r = (a + a2) * b; b may be loose.</summary>
    static abstract void MultiplySum(ulong* r, ulong* a, ulong* a2, ulong* b);

    /// <summary>r = (a - a2) * (b + b2).</summary>
    static abstract void MultiplyDifferenceBySum(ulong* r, ulong* a, ulong* a2, ulong* b, ulong* b2);

    /// <summary>r = (a - a2) * (b - b2).</summary>
    static abstract void MultiplyDifferences(ulong* r, ulong* a, ulong* a2, ulong* b, ulong* b2);

    /// <summary>r = (a + a2) * (b + b2).</summary>
    static abstract void MultiplySums(ulong* r, ulong* a, ulong* a2, ulong* b, ulong* b2);

    /// <summary>r = (a + b)^2.</summary>
    static abstract void SquareSum(ulong* r, ulong* a, ulong* b);

    /// <summary>r = (a - b)^2.</summary>
    static abstract void SquareDifference(ulong* r, ulong* a, ulong* b);

    /// <summary>sum = (x + z)^2 and difference = (x - z)^2, of x2 and z2 instead in lanes whose mask is set.</summary>
    static abstract void SquareSelected(
        ulong* sum, ulong* difference, ulong* x, ulong* z, ulong* x2, ulong* z2, ulong* mask);

    /// <summary>r = a^(2^times), times at least 1; a may be loose.</summary>
    static abstract void SquareRepeatedly(ulong* r, ulong* a, int times);

    /// <summary>r = a + 121665 (a - b), loose.</summary>
    static abstract void AddCurveMultiple(ulong* r, ulong* a, ulong* b);

    /// <summary>r = a - b, loose.</summary>
    static abstract void Subtract(ulong* r, ulong* a, ulong* b);

    /// <summary>a = b in lanes whose mask is set.</summary>
    static abstract void Replace(ulong* a, ulong* b, ulong* mask);

    /// <summary>r = a turned: lane i takes lane i + by, modulo <see cref="Lanes"/>. Not in place.</summary>
    static abstract void Turn(ulong* r, ulong* a, int by);

    /// <summary>
    /// change = the lanes whose scalar bit at this position differs from last; last = the lanes in which it is set.
    /// </summary>
    static abstract void TakeBit(ulong* change, ulong* last, ulong* scalars, int position);

    /// <summary>
    /// The point for each lane's digit of this step and block, three elements ((y + x) / 2, (y - x) / 2, d x y), loose; the
    /// scalars are those of <see cref="CombShape"/> without the topmost bit. Lane i takes it from the table whose members
    /// mask is set at i; every table's whole block is read (<see cref="X25519Table"/> has the layout).
    /// </summary>
    static abstract void Look(
        ulong* entry, ulong** tables, ulong* members, int count, ulong* scalars, CombShape shape, int step, int block);
}
