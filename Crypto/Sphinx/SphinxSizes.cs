namespace FastExit.Crypto.Sphinx;

/// <summary>Sizes of Sphinx packets in bytes and the versions in use (sphinx.md §1, §5).</summary>
public static class SphinxSizes
{
    /// <summary>alpha 32, gamma 16, beta 300.</summary>
    public const int HeaderBytes = AlphaBytes + MacBytes + RoutingBytes;

    /// <summary>16 zero bytes in front of the plaintext, one 0x01 behind it.</summary>
    public const int PayloadOverheadBytes = 17;

    /// <summary>Shortest payload that the payload cipher takes.</summary>
    public const int MinimumPayloadBytes = 33;

    /// <summary>Shortest packet that is read at all; its payload is still refused.</summary>
    public const int MinimumPacketBytes = HeaderBytes + PayloadOverheadBytes;

    /// <summary>Padded address of a hop.</summary>
    public const int AddressBytes = 32;

    /// <summary>Destination: a client's identity key.</summary>
    public const int DestinationBytes = 32;

    /// <summary>SURB identifier.</summary>
    public const int IdentifierBytes = 16;

    /// <summary>Longest route; fixes the header's size.</summary>
    public const int MaximumHops = 5;

    /// <summary>Ephemeral group element.</summary>
    public const int AlphaBytes = 32;

    /// <summary>Header code: HMAC-SHA-256 cut to 16.</summary>
    public const int MacBytes = 16;

    /// <summary>Encrypted routing information, beta.</summary>
    public const int RoutingBytes = RoutingBlockBytes * MaximumHops;

    /// <summary>What beta shifts by at each hop: flag 1, version 3, address 32, delay 8, next MAC 16.</summary>
    public const int RoutingBlockBytes = 60;

    /// <summary>Header key stream: beta and the block that is shifted in.</summary>
    public const int StreamBytes = RoutingBytes + RoutingBlockBytes;

    /// <summary>Final block before its padding: flag 1, version 3, destination 32, identifier 16.</summary>
    public const int FinalMetaBytes = 52;

    /// <summary>Longest padding of a final block (one hop); 60 less for each further hop.</summary>
    public const int MaximumPaddingBytes = RoutingBytes - FinalMetaBytes;

    /// <summary>Seed of a payload key (version 259 and unknown ones).</summary>
    public const int SeedBytes = 16;

    /// <summary>Payload key: a Lioness key.</summary>
    public const int PayloadKeyBytes = 192;

    /// <summary>Replay tag.</summary>
    public const int ReplayTagBytes = 32;

    /// <summary>Lanes of a batch.</summary>
    public const int MaximumLanes = 8;

    /// <summary>Bytes of random padding in the header of a route of so many hops: 248, 188, 128, 68, 8.</summary>
    public static int PaddingBytes(int hops) => MaximumPaddingBytes - RoutingBlockBytes * (hops - 1);
}

/// <summary>The rules that a version number stands for (sphinx.md §5.1). Every number is valid: unknown ones follow 259.</summary>
public static class SphinxVersion
{
    /// <summary>Reduced scalars, payload keys from the first derivation.</summary>
    public const ushort Initial = 1;

    /// <summary>As <see cref="Initial"/>.</summary>
    public const ushort Reduced = 257;

    /// <summary>Clamped scalars, payload keys from the first derivation.</summary>
    public const ushort ExplicitKeys = 258;

    /// <summary>Clamped scalars, payload keys from 16-byte seeds: what clients send today.</summary>
    public const ushort Seeds = 259;

    /// <summary>Blinding and shared secrets by scalars reduced mod l instead of clamped.</summary>
    public static bool HasReducedScalars(ushort version) => version is Initial or Reduced;

    /// <summary>Payload keys are bytes 32 to 224 of the expanded secret instead of coming from a seed.</summary>
    public static bool HasExplicitKeys(ushort version) => version is Initial or Reduced or ExplicitKeys;
}
