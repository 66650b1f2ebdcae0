using System.Diagnostics.CodeAnalysis;
using System.Security.Cryptography;
using FastExit.Crypto.Lanes;
using FastExit.Crypto.Primitives;

namespace FastExit.Crypto.EndToEnd;

/// <summary>
/// One received forward block inside a region: the sender's ephemeral X25519 key (32 bytes), then an encrypted fragment.
/// </summary>
[SuppressMessage(
    "Design", "CA1051", Justification = "An element of a caller's array, filled in place, like SphinxLane.")]
public struct FragmentLane
{
    /// <summary>Of the ephemeral key, in the region.</summary>
    public int Offset;

    /// <summary>Ephemeral key and fragment together, in bytes.</summary>
    public int Length;

    /// <summary>Index of the recipient's private key.</summary>
    public int Key;

    /// <summary>Out: false if the block is shorter than a key or the key agreement gave zero; the packet is to be dropped.</summary>
    public bool Valid;
}

/// <summary>
/// End-to-end cipher of forward packets (end-to-end.md §4.1, §4.2): X25519, HKDF over BLAKE3, AES-128-CTR from a zero
/// counter block. Up to 8 lanes of key agreement run side by side; more lanes are taken in groups of 8.
/// A workspace for one thread. There is no MAC here: a wrong key shows up as a malformed fragment.
/// </summary>
public sealed class FragmentCipherBatch
{
    private readonly CpuLevel _level;
    private readonly byte[] _scalars = new byte[X25519.MaximumLanes * X25519.KeyBytes];
    private readonly byte[] _points = new byte[X25519.MaximumLanes * X25519.KeyBytes];
    private readonly byte[] _shared = new byte[X25519.MaximumLanes * X25519.KeyBytes];
    private readonly FragmentLane[] _slots = new FragmentLane[X25519.MaximumLanes];
    private readonly int[] _laneOf = new int[X25519.MaximumLanes];
    private readonly byte[] _keys = new byte[X25519.MaximumLanes * HkdfBlake3.KeyBytes];
    private readonly LaneRange[] _ranges = new LaneRange[X25519.MaximumLanes];

    /// <summary>A workspace for the level of this process.</summary>
    public FragmentCipherBatch()
        : this(CpuLevels.Current)
    {
    }

    internal FragmentCipherBatch(CpuLevel level) => _level = level;

    /// <summary>
    /// Decrypts every lane's fragment in place, behind the ephemeral key, which stays. An invalid lane's bytes are left
    /// as they were and do not touch the others. <paramref name="privateKeys"/> holds 32 bytes for each index.
    /// </summary>
    public void DecryptForward(Span<byte> region, Span<FragmentLane> lanes, ReadOnlySpan<byte> privateKeys)
    {
        for (int next = 0; next < lanes.Length;)
        {
            int count = 0;
            for (; next < lanes.Length && count < X25519.MaximumLanes; next++)
            {
                ref FragmentLane lane = ref lanes[next];
                lane.Valid = lane.Length >= PacketSizes.KeyBlockBytes;
                if (!lane.Valid)
                    continue;
                Key(privateKeys, lane.Key).CopyTo(Key(_scalars, count));
                region.Slice(lane.Offset, X25519.KeyBytes).CopyTo(Key(_points, count));
                _slots[count] = new FragmentLane
                {
                    Offset = lane.Offset + PacketSizes.KeyBlockBytes,
                    Length = lane.Length - PacketSizes.KeyBlockBytes,
                };
                _laneOf[count++] = next;
            }

            if (count == 0)
                continue;
            X25519.MultiplyLanes(_level, _scalars, _points, _shared, count);
            Transform(region, _slots.AsSpan(0, count), _shared);
            for (int slot = 0; slot < count; slot++)
                lanes[_laneOf[slot]].Valid = _slots[slot].Valid;
        }

        CryptographicOperations.ZeroMemory(_scalars);
        CryptographicOperations.ZeroMemory(_shared);
    }

    /// <summary>
    /// Encrypts or decrypts up to 8 fragments, which here are all that a lane covers, each under its own X25519 result of
    /// 32 bytes; not valid and nothing done where that is zero.
    /// </summary>
    internal void Transform(Span<byte> region, Span<FragmentLane> fragments, ReadOnlySpan<byte> sharedSecrets)
    {
        HkdfBlake3Lanes.DeriveFragmentKeys(
            _level, new(sharedSecrets, X25519.KeyBytes), fragments.Length, _keys, HkdfBlake3.KeyBytes);
        for (int i = 0; i < fragments.Length; i++)
        {
            ref FragmentLane fragment = ref fragments[i];
            // Zero means a low-order point: a fact anybody can compute from the public key, so the branch tells no secret.
            fragment.Valid = !X25519.IsZero(Key(sharedSecrets, i));
            _ranges[i] = new(fragment.Offset, fragment.Valid ? fragment.Length : 0);
        }

        AesCtr.TransformZeroIvLanes(
            _level, new(_keys, HkdfBlake3.KeyBytes), region, _ranges.AsSpan(0, fragments.Length));
        CryptographicOperations.ZeroMemory(_keys);
    }

    private static ReadOnlySpan<byte> Key(ReadOnlySpan<byte> keys, int index) =>
        keys.Slice(index * X25519.KeyBytes, X25519.KeyBytes);

    private static Span<byte> Key(byte[] keys, int index) => keys.AsSpan(index * X25519.KeyBytes, X25519.KeyBytes);
}
