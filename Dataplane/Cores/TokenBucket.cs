namespace FastExit.Cores;

/// <summary>A rate limit with a burst; starts full. Whole numbers only: a token is worth one second divided by the rate.</summary>
internal struct TokenBucket
{
    // Thousandths of a token.
    private const long Token = 1000;

    private long _level;
    private long _at;

    public static TokenBucket Full(int burst, long nowMilliseconds) => new() { _level = burst * Token, _at = nowMilliseconds };

    public bool TryTake(int perSecond, int burst, long nowMilliseconds)
    {
        // A millisecond at one token per second is one thousandth. Beyond the time that fills it, nothing more is gained.
        long passed = Math.Clamp(nowMilliseconds - _at, 0, 1_000_000);
        _level = Math.Min(burst * Token, _level + (passed * perSecond));
        _at = nowMilliseconds;
        if (_level < Token)
            return false;
        _level -= Token;
        return true;
    }
}
