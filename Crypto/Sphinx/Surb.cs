using FastExit.Crypto.Primitives;

namespace FastExit.Crypto.Sphinx;

/// <summary>How a SURB carries its payload keys.</summary>
public enum SurbKeyForm : byte
{
    /// <summary>16-byte seeds (version 259).</summary>
    Seeds,

    /// <summary>192-byte keys (version 258 and older).</summary>
    Keys,
}

/// <summary>
/// Single-use reply blocks (sphinx.md §9.2): header 348, first hop address 32, then one entry a hop in route order, all
/// of 16 or all of 192 bytes. Neither version nor count is written: both follow from the length.
/// </summary>
public static class Surb
{
    /// <summary>Where the Sphinx header stands.</summary>
    public const int HeaderOffset = 0;

    /// <summary>Where the first hop's padded address stands.</summary>
    public const int FirstHopOffset = SphinxSizes.HeaderBytes;

    /// <summary>Where the key material begins.</summary>
    public const int MaterialOffset = FirstHopOffset + SphinxSizes.AddressBytes;

    /// <summary>Bytes of a whole SURB.</summary>
    public static int Bytes(int hops, SurbKeyForm form) => MaterialOffset + hops * EntryBytes(form);

    /// <summary>Bytes of an entry of the material.</summary>
    public static int EntryBytes(SurbKeyForm form) =>
        form == SurbKeyForm.Seeds ? SphinxSizes.SeedBytes : SphinxSizes.PayloadKeyBytes;

    /// <summary>
    /// Reads hops and form from the length of the material. False for anything but 1 to 5 seeds or 1 to 5 keys (the
    /// network's own reader would also take 6 to 11 seeds, which no header can need).
    /// </summary>
    public static bool TryMaterial(ReadOnlySpan<byte> material, out int hops, out SurbKeyForm form)
    {
        form = material.Length < SphinxSizes.PayloadKeyBytes ? SurbKeyForm.Seeds : SurbKeyForm.Keys;
        (hops, int rest) = Math.DivRem(material.Length, EntryBytes(form));
        if (rest == 0 && hops is >= 1 and <= SphinxSizes.MaximumHops)
            return true;
        hops = 0;
        return false;
    }

    /// <summary><see cref="TryMaterial"/> for a whole SURB. The first hop's address is the caller's to check.</summary>
    public static bool TryRead(ReadOnlySpan<byte> surb, out int hops, out SurbKeyForm form)
    {
        hops = 0;
        form = SurbKeyForm.Seeds;
        return surb.Length > MaterialOffset && TryMaterial(surb[MaterialOffset..], out hops, out form);
    }

    /// <summary>keys = the payload keys of the material, 192 bytes a hop in route order.</summary>
    public static void ExpandKeys(ReadOnlySpan<byte> material, SurbKeyForm form, Span<byte> keys)
    {
        if (form == SurbKeyForm.Keys)
        {
            material.CopyTo(keys);
            return;
        }

        for (int hop = 0; hop < material.Length / SphinxSizes.SeedBytes; hop++)
        {
            SharedSecretExpansion.ExpandSeed(
                material.Slice(hop * SphinxSizes.SeedBytes, SphinxSizes.SeedBytes),
                keys.Slice(hop * Lioness.KeyBytes, Lioness.KeyBytes));
        }
    }

    /// <summary>
    /// Writes the SURB of a built header and returns its length. The form follows the lane's version; the first hop's
    /// address is that of the route.
    /// </summary>
    public static int Write(SphinxHeaderBatch batch, int lane, Span<byte> surb)
    {
        SurbKeyForm form = SphinxVersion.HasExplicitKeys(batch.Version(lane)) ? SurbKeyForm.Keys : SurbKeyForm.Seeds;
        batch.Header(lane).CopyTo(surb);
        batch.FirstHop(lane).CopyTo(surb[FirstHopOffset..]);
        ReadOnlySpan<byte> material = form == SurbKeyForm.Keys ? batch.PayloadKeys(lane) : batch.PayloadSeeds(lane);
        material.CopyTo(surb[MaterialOffset..]);
        return MaterialOffset + material.Length;
    }
}
