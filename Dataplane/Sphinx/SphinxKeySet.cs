using System.Security.Cryptography;
using FastExit.Crypto.EndToEnd;
using FastExit.Crypto.Primitives;

namespace FastExit.Sphinx;

/// <summary>
/// The Sphinx keys a node answers to at one moment: primary first, then (at most two) neighbours in rotation, each with the replay
/// filter of its life. Immutable; cores read the current set once a batch. Keys that leave are wiped by <see cref="Retire"/> after
/// every core has moved on.
/// </summary>
internal sealed class SphinxKeySet
{
    public const int MaximumKeys = 3;
    public const int KeyBytes = 32;

    private readonly byte[] _privateKeys;
    private readonly uint[] _rotations;
    private readonly ReplayFilter[] _filters;
    private readonly byte[] _primaryPublicKey = new byte[KeyBytes];

    /// <param name="keys">Private key, rotation id and filter, primary first.</param>
    public SphinxKeySet(params ReadOnlySpan<(byte[] PrivateKey, uint Rotation, ReplayFilter Filter)> keys)
    {
        if (keys.Length is < 1 or > MaximumKeys)
            throw new ArgumentOutOfRangeException(nameof(keys), "one to three Sphinx keys");
        _privateKeys = GC.AllocateArray<byte>(keys.Length * KeyBytes, pinned: true);
        _rotations = new uint[keys.Length];
        _filters = new ReplayFilter[keys.Length];
        for (int i = 0; i < keys.Length; i++)
        {
            keys[i].PrivateKey.CopyTo(_privateKeys.AsSpan(i * KeyBytes));
            _rotations[i] = keys[i].Rotation;
            _filters[i] = keys[i].Filter;
        }

        X25519.MultiplyBase(PrivateKeys[..KeyBytes], _primaryPublicKey);
    }

    public int Count => _rotations.Length;

    /// <summary>Public key that belongs to the primary private key.</summary>
    public ReadOnlySpan<byte> PrimaryPublicKey => _primaryPublicKey;

    /// <summary>32 bytes each, primary first.</summary>
    public ReadOnlySpan<byte> PrivateKeys => _privateKeys;

    public uint Rotation(int key) => _rotations[key];

    public ReplayFilter Filter(int key) => _filters[key];

    /// <summary>The filter of the key with that rotation id; null if there is none.</summary>
    public ReplayFilter? FilterOf(uint rotation)
    {
        int key = Array.IndexOf(_rotations, rotation);
        return key < 0 ? null : _filters[key];
    }

    /// <summary>
    /// The key for a frame's rotation code: the primary for an unknown one, else the first whose id has that parity; -1: expired
    /// (mix-link.md §3.2).
    /// </summary>
    public int KeyFor(KeyRotation rotation)
    {
        if (rotation == KeyRotation.Unknown)
            return 0;
        uint parity = rotation == KeyRotation.Odd ? 1u : 0u;
        for (int i = 0; i < _rotations.Length; i++)
        {
            if ((_rotations[i] & 1) == parity)
                return i;
        }

        return -1;
    }

    /// <summary>
    /// Wipes this set's key bytes and frees the filters that <paramref name="successor"/> does not carry on; their files go with their
    /// keys, but stay when nothing succeeds: the next start needs them.
    /// </summary>
    public void Retire(SphinxKeySet? successor)
    {
        CryptographicOperations.ZeroMemory(_privateKeys);
        foreach (ReplayFilter filter in _filters)
        {
            if (successor is not null && Array.IndexOf(successor._filters, filter) >= 0)
                continue;
            filter.Dispose();
            if (successor is not null && filter.Path is { } path && !Array.Exists(successor._filters, f => f.Path == path))
                ReplayFilterStore.Remove(path);
        }
    }
}
