using FastExit.Crypto.Sphinx;

namespace FastExit.Crypto.EndToEnd;

/// <summary>
/// View over one reply SURB (end-to-end.md §2.3): reply encryption key (16), Sphinx header (348), first-hop address
/// padded to 32, then key material in route order: 16-byte seeds, or 192-byte payload keys in the legacy form.
/// </summary>
public readonly ref struct ReplySurb
{
    public const int HeaderOffset = EndToEnd.ReplyKey.KeyBytes;
    public const int FirstHopOffset = HeaderOffset + Sphinx.Surb.FirstHopOffset;
    public const int MaterialOffset = HeaderOffset + Sphinx.Surb.MaterialOffset;

    private ReplySurb(ReadOnlySpan<byte> bytes) => Bytes = bytes;

    /// <summary>All of it, as it stood in the message.</summary>
    public ReadOnlySpan<byte> Bytes { get; }

    public ReadOnlySpan<byte> ReplyKey => Bytes[..HeaderOffset];

    /// <summary>The Sphinx part: header, first hop and material.</summary>
    public ReadOnlySpan<byte> Surb => Bytes[HeaderOffset..];

    public ReadOnlySpan<byte> Header => Bytes[HeaderOffset..FirstHopOffset];

    public ReadOnlySpan<byte> FirstHop => Bytes[FirstHopOffset..MaterialOffset];

    public ReadOnlySpan<byte> Material => Bytes[MaterialOffset..];

    public int Hops => Sphinx.Surb.TryMaterial(Material, out int hops, out _) ? hops : 0;

    /// <summary>False unless the material is 1 to 5 whole seeds or keys and the first hop is a node address.</summary>
    public static bool TryRead(ReadOnlySpan<byte> bytes, out ReplySurb surb)
    {
        if (Sphinx.Surb.TryRead(bytes.Length > HeaderOffset ? bytes[HeaderOffset..] : default, out _, out _)
            && NodeAddress.TryRead(bytes[FirstHopOffset..MaterialOffset], out _, out _))
        {
            surb = new ReplySurb(bytes);
            return true;
        }

        surb = default;
        return false;
    }

    internal static ReplySurb OfValidated(ReadOnlySpan<byte> bytes) => new(bytes);
}
