using FastExit.IpPacketRouter.Protocol;

namespace FastExit.IpPacketRouter;

/// <summary>What Health requests are answered with: texts that never change, and whether the control plane found that packets get out.</summary>
internal sealed class PublishedHealth
{
    private const int MaximumTextBytes = 1024;
    private const int Unknown = -1;

    private readonly byte[] _texts;
    private volatile int _routable = Unknown;

    /// <param name="texts">The ten texts of <see cref="IprResponseWriter.HealthTexts"/>, together at most a kilobyte.</param>
    public PublishedHealth(ReadOnlySpan<string> texts)
    {
        Span<byte> encoded = stackalloc byte[MaximumTextBytes];
        if (!IprResponseWriter.TryEncodeHealthTexts(encoded, texts, out int written))
            throw new ArgumentException($"A Health answer has {IprResponseWriter.HealthTexts} texts of {MaximumTextBytes} bytes in all.");
        _texts = encoded[..written].ToArray();
    }

    public ReadOnlySpan<byte> Texts => _texts;

    /// <summary>At least one family is forwarded and has a route out of this host (true), none is (false), or nobody has looked yet (null).</summary>
    public bool? Routable
    {
        get => _routable == Unknown ? null : _routable == 1;
        set => _routable = value is { } known ? (known ? 1 : 0) : Unknown;
    }
}
