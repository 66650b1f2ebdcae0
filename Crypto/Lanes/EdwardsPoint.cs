using FastExit.Crypto.Primitives;

namespace FastExit.Crypto.Lanes;

// A point of the Edwards form of Curve25519, -x^2 + y^2 = 1 + d x^2 y^2, in extended coordinates: x = X/Z, y = Y/Z,
// T = XY/Z. For making tables of public keys: branches are on public data.
//
// References
//   RFC 7748 §4.1 (the birational map), RFC 8032 §5.1.3 (square root of a fraction)
//   Hisil, Wong, Carter, Dawson, "Twisted Edwards Curves Revisited", §3.1 (complete addition for a = -1)
internal struct EdwardsPoint
{
    private static readonly FieldElement D =
        new(0x34DCA135978A3, 0x1A8283B156EBD, 0x5E7A26001C029, 0x739C663A03CBB, 0x52036CEE2B6FF);

    private static readonly FieldElement RootOfMinusOne =
        new(0x61B274A0EA0B0, 0x0D5A5FC8F189D, 0x7EF5E9CBD0C60, 0x78595A6804C9E, 0x2B8324804FC1D);

    // (p + 1) / 2
    private static readonly FieldElement Half =
        new(0x7FFFFFFFFFFF7, 0x7FFFFFFFFFFFF, 0x7FFFFFFFFFFFF, 0x7FFFFFFFFFFFF, 0x3FFFFFFFFFFFF);

    // l, the order of the generator, least significant word first.
    private static readonly ulong[] Order = [0x5812631A5CF5D3ED, 0x14DEF9DEA2F79CD6, 0, 0x1000000000000000];

    private FieldElement _x, _y, _z, _t;

    public static EdwardsPoint Neutral => new() { _y = FieldElement.One, _z = FieldElement.One };

    /// <summary>
    /// The point with y = (u - 1) / (u + 1) and either x: they share their multiples' u-coordinates. False when there is
    /// none, because u belongs to the twist; u = -1, of the twist too, may give a point, of low order.
    /// </summary>
    public static bool TryFromMontgomery(ReadOnlySpan<byte> u, out EdwardsPoint point)
    {
        FieldElement value = FieldElement.FromBytes(u);
        FieldElement.Subtract(out FieldElement numerator, in value, FieldElement.One);
        FieldElement.Add(out FieldElement denominator, in value, FieldElement.One);
        FieldElement.Invert(out denominator, in denominator);
        FieldElement.Multiply(out FieldElement y, in numerator, in denominator);

        // x^2 = (y^2 - 1) / (d y^2 + 1)
        FieldElement.Square(out FieldElement squared, in y);
        FieldElement.Subtract(out numerator, in squared, FieldElement.One);
        FieldElement.Multiply(out denominator, in squared, in D);
        FieldElement.Add(out denominator, in denominator, FieldElement.One);
        bool isSquare = TrySquareRoot(in numerator, in denominator, out FieldElement x);
        FieldElement.Multiply(out FieldElement t, in x, in y);
        point = new() { _x = x, _y = y, _z = FieldElement.One, _t = t };
        return isSquare;
    }

    /// <summary>True when the order is l: l times the point is the neutral element, and the point is not.</summary>
    public readonly bool HasPrimeOrder()
    {
        EdwardsPoint multiple = Neutral;
        for (int bit = 252; bit >= 0; bit--)
        {
            multiple = multiple.Twice();
            if ((Order[bit >> 6] >> (bit & 63) & 1) != 0)
                multiple.Add(in this);
        }

        return multiple.IsNeutral() && !IsNeutral();
    }

    /// <summary>Adds another point, the same or any other.</summary>
    public void Add(in EdwardsPoint other)
    {
        FieldElement.Subtract(out FieldElement a, in _y, in _x);
        FieldElement.Subtract(out FieldElement difference, in other._y, in other._x);
        FieldElement.Multiply(out a, in a, in difference);
        FieldElement.Add(out FieldElement b, in _y, in _x);
        FieldElement.Add(out FieldElement sum, in other._y, in other._x);
        FieldElement.Multiply(out b, in b, in sum);
        FieldElement.Multiply(out FieldElement c, in _t, in other._t);
        FieldElement.Multiply(out c, in c, in D);
        FieldElement.Multiply(out FieldElement d, in _z, in other._z);

        // With c and d at half of their usual scale a and b are brought to it too.
        FieldElement.Multiply(out a, in a, in Half);
        FieldElement.Multiply(out b, in b, in Half);
        FieldElement.Subtract(out FieldElement e, in b, in a);
        FieldElement.Subtract(out FieldElement f, in d, in c);
        FieldElement.Add(out FieldElement g, in d, in c);
        FieldElement.Add(out FieldElement h, in b, in a);
        FieldElement.Multiply(out _x, in e, in f);
        FieldElement.Multiply(out _y, in g, in h);
        FieldElement.Multiply(out _t, in e, in h);
        FieldElement.Multiply(out _z, in g, in f);
    }

    /// <summary>Twice this point.</summary>
    public readonly EdwardsPoint Twice()
    {
        EdwardsPoint twice = this;
        twice.Add(in this);
        return twice;
    }

    /// <summary>This point with the other sign.</summary>
    public readonly EdwardsPoint Negated()
    {
        EdwardsPoint negated = this;
        FieldElement.Subtract(out negated._x, FieldElement.Zero, in _x);
        FieldElement.Multiply(out negated._x, in negated._x, FieldElement.One);
        FieldElement.Subtract(out negated._t, FieldElement.Zero, in _t);
        FieldElement.Multiply(out negated._t, in negated._t, FieldElement.One);
        return negated;
    }

    /// <summary>Brings every point to Z = 1 with one inversion for all; no point of the curve has Z = 0.</summary>
    public static void Normalise(Span<EdwardsPoint> points)
    {
        Span<FieldElement> before = stackalloc FieldElement[points.Length];
        FieldElement all = FieldElement.One;
        for (int i = 0; i < points.Length; i++)
        {
            before[i] = all;
            FieldElement.Multiply(out all, in all, in points[i]._z);
        }

        FieldElement.Invert(out FieldElement inverse, in all);
        for (int i = points.Length - 1; i >= 0; i--)
        {
            ref EdwardsPoint point = ref points[i];
            FieldElement.Multiply(out FieldElement own, in inverse, in before[i]);
            FieldElement.Multiply(out inverse, in inverse, in point._z);
            FieldElement.Multiply(out point._x, in point._x, in own);
            FieldElement.Multiply(out point._y, in point._y, in own);
            FieldElement.Multiply(out point._t, in point._x, in point._y);
            point._z = FieldElement.One;
        }
    }

    /// <summary>(y + x) / 2, (y - x) / 2 and d x y of a point with Z = 1.</summary>
    public readonly void Halved(out FieldElement sum, out FieldElement difference, out FieldElement product)
    {
        FieldElement.Add(out sum, in _y, in _x);
        FieldElement.Multiply(out sum, in sum, in Half);
        FieldElement.Subtract(out difference, in _y, in _x);
        FieldElement.Multiply(out difference, in difference, in Half);
        FieldElement.Multiply(out product, in _t, in D);
    }

    private readonly bool IsNeutral() => FieldElement.IsZero(in _x) && FieldElement.AreEqual(in _y, in _z);

    // root^2 = numerator / denominator: n v^3 (n v^7)^((p-5)/8), or that times the root of -1.
    private static bool TrySquareRoot(in FieldElement numerator, in FieldElement denominator, out FieldElement root)
    {
        FieldElement.Square(out FieldElement cube, in denominator);
        FieldElement.Multiply(out cube, in cube, in denominator);
        FieldElement.Square(out FieldElement power, in cube);
        FieldElement.Multiply(out power, in power, in denominator);
        FieldElement.Multiply(out power, in power, in numerator);
        FieldElement.PowerForSquareRoot(out power, in power);
        FieldElement.Multiply(out root, in numerator, in cube);
        FieldElement.Multiply(out root, in root, in power);

        FieldElement.Square(out FieldElement check, in root);
        FieldElement.Multiply(out check, in check, in denominator);
        FieldElement.Multiply(out FieldElement wanted, in numerator, FieldElement.One);
        if (FieldElement.AreEqual(in check, in wanted))
            return true;
        FieldElement.Multiply(out root, in root, in RootOfMinusOne);
        FieldElement.Add(out check, in check, in wanted);
        return FieldElement.IsZero(in check);
    }
}
