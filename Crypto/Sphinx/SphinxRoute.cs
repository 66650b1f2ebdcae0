using FastExit.Crypto.Lanes;

namespace FastExit.Crypto.Sphinx;

/// <summary>The path of one header: hops first to last, then who the final hop delivers to. A view, nothing is copied.</summary>
/// <remarks>sphinx.md §2.1, §2.2, §6. The delay of the last hop is not carried by the packet.</remarks>
public readonly ref struct SphinxRoute
{
    /// <summary>Makes the view.</summary>
    /// <param name="publicKeys">32 bytes a hop.</param>
    /// <param name="addresses">32 bytes a hop, padded (sphinx.md §2.3).</param>
    /// <param name="delays">Nanoseconds, one a hop.</param>
    /// <param name="destination">32 bytes.</param>
    /// <param name="identifier">16 bytes.</param>
    /// <param name="tables">
    /// A table of each hop's key, or null where there is none (or nothing at all): the same packets, several times as fast.
    /// </param>
    public SphinxRoute(
        ReadOnlySpan<byte> publicKeys,
        ReadOnlySpan<byte> addresses,
        ReadOnlySpan<ulong> delays,
        ReadOnlySpan<byte> destination,
        ReadOnlySpan<byte> identifier,
        ReadOnlySpan<X25519Table?> tables = default)
    {
        PublicKeys = publicKeys;
        Addresses = addresses;
        Delays = delays;
        Destination = destination;
        Identifier = identifier;
        Tables = tables;
    }

    /// <summary>X25519 keys, 32 bytes a hop.</summary>
    public ReadOnlySpan<byte> PublicKeys { get; }

    /// <summary>Padded addresses, 32 bytes a hop.</summary>
    public ReadOnlySpan<byte> Addresses { get; }

    /// <summary>Delays in nanoseconds, one a hop.</summary>
    public ReadOnlySpan<ulong> Delays { get; }

    /// <summary>32 bytes.</summary>
    public ReadOnlySpan<byte> Destination { get; }

    /// <summary>16 bytes.</summary>
    public ReadOnlySpan<byte> Identifier { get; }

    /// <summary>Fixed-base tables of the keys, one a hop, any of them null; or empty.</summary>
    public ReadOnlySpan<X25519Table?> Tables { get; }

    /// <summary>Number of hops.</summary>
    public int Hops => PublicKeys.Length / 32;

    /// <summary>1 to 5 hops and every span of the length that goes with them.</summary>
    public bool IsValid =>
        Hops is >= 1 and <= SphinxSizes.MaximumHops
        && PublicKeys.Length == 32 * Hops
        && Addresses.Length == SphinxSizes.AddressBytes * Hops
        && Delays.Length == Hops
        && Destination.Length == SphinxSizes.DestinationBytes
        && Identifier.Length == SphinxSizes.IdentifierBytes
        && (Tables.IsEmpty || Tables.Length == Hops);
}
