namespace FastExit.Bench.Micro.Compare;

/// <summary>What a row is measured against, all in the same round.</summary>
internal enum Yardstick
{
    /// <summary>One lane of the eight of a multiplication of arbitrary points.</summary>
    Lane,

    /// <summary>NSec.Cryptography's X25519 (libsodium), both keys imported before.</summary>
    NSec,

    /// <summary>`openssl speed ecdhx25519`.</summary>
    OpenSsl,

    /// <summary>.NET's own: SHA256.HashData of one message, or Aes.</summary>
    Bcl,
}

/// <summary>At least so many times as fast as the yardstick, or at most so many times its time.</summary>
internal sealed record Goal(Yardstick Against, double Bound, bool IsRate)
{
    public static Goal TimesAsFast(Yardstick against, double bound) => new(against, bound, true);

    public static Goal TimesTheTime(Yardstick against, double bound) => new(against, bound, false);

    /// <summary>Of two times of one round, in the goal's own sense.</summary>
    public double Ratio(double ours, double other) => IsRate ? other / ours : ours / other;

    public bool IsMet(double ratio) => IsRate ? ratio >= Bound : ratio <= Bound;
}

/// <summary>A line of the comparison.</summary>
/// <param name="Name">What is measured.</param>
/// <param name="Ours">The project's own.</param>
/// <param name="Bcl">The same by .NET's own, where it has it.</param>
/// <param name="Goals">None: for information.</param>
internal sealed record ComparisonRow(string Name, Work Ours, Work? Bcl, params Goal[] Goals)
{
    /// <summary>An X25519 of its own: the others' X25519 stand beside it.</summary>
    public bool IsCurve { get; init; }
}
