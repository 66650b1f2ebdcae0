namespace FastExit.Identity;

/// <summary>
/// The public Sphinx keys that host information names (mix-link.md §5.4), 32 bytes each: the primary one, and the pre-announced one, which
/// is there only while its id is the primary's plus one. A key in overlap is accepted but not announced. A snapshot; do not write to it.
/// </summary>
internal sealed record AnnouncedSphinxKeys(uint RotationId, byte[] PublicKey, uint? NextRotationId, byte[]? NextPublicKey)
{
    public static AnnouncedSphinxKeys From(NodeKeys keys) => new(
        keys.CurrentSphinxKey.RotationId,
        keys.CurrentSphinxKey.PublicKey.ToArray(),
        keys.NextSphinxKey?.RotationId,
        keys.NextSphinxKey?.PublicKey.ToArray());
}
