using System.Security.Cryptography;
using FastExit.Crypto.EndToEnd;
using FastExit.Crypto.Lanes;
using FastExit.Crypto.Primitives;

namespace FastExit.Bench.Micro.Compare;

/// <summary>Hashes and ciphers side by side at the sizes of the packet path, and what .NET has of the same.</summary>
internal sealed class CipherWorks : IDisposable
{
    // Turns: so that a pass is long beside looking at the clock.
    private const int Messages = 1024, Turns = 8, HashLanes = Sha256Lanes.MaximumLanes;
    private const int Packets = 128, Lanes = 8, PacketBytes = 2413, PayloadBytes = 2065;

    private readonly byte[] _messages = RandomNumberGenerator.GetBytes(Messages * Sha256.BlockBytes);
    private readonly byte[] _digests = new byte[HashLanes * Sha256.HashBytes];
    private readonly byte[] _packets = RandomNumberGenerator.GetBytes(Packets * PacketBytes);
    private readonly byte[] _keys = RandomNumberGenerator.GetBytes(Packets * Lioness.KeyBytes);
    private readonly LaneRange[] _messageRanges = Ranges(Messages, Sha256.BlockBytes, Sha256.BlockBytes);
    private readonly LaneRange[] _fragments = Ranges(Packets, PacketBytes, PacketSizes.FragmentBytes(PacketSize.Regular));
    private readonly LionessLane[] _payloads =
        [.. Ranges(Packets, PacketBytes, PayloadBytes).Select(range => new LionessLane(range.Offset, range.Length))];

    // As many whole blocks as the fragment has begun ones.
    private readonly byte[] _stream = new byte[(PacketSizes.FragmentBytes(PacketSize.Regular) + 15) / 16 * 16];
    private readonly Aes _aes = Aes.Create();

    /// <summary>SHA-256 of 16 messages of one block.</summary>
    public Work Sha256Blocks => new(() =>
    {
        for (int turn = 0; turn < Turns; turn++)
        {
            for (int first = 0; first < Messages; first += HashLanes)
                Sha256Lanes.Hash(_messages, _messageRanges.AsSpan(first, HashLanes), _digests);
        }

        return Turns * Messages;
    });

    /// <summary>The same messages, one after the other.</summary>
    public Work Sha256OfBcl => new(() =>
    {
        for (int i = 0; i < Messages; i++)
            SHA256.HashData(_messages.AsSpan(i * Sha256.BlockBytes, Sha256.BlockBytes), _digests);
        return Messages;
    });

    /// <summary>A layer of eight payloads of regular packets, each under its own key.</summary>
    public Work LionessLayer => new(() =>
    {
        for (int first = 0; first < Packets; first += Lanes)
        {
            Lioness.DecryptLanes(
                _packets, _payloads.AsSpan(first, Lanes), _keys.AsSpan(first * Lioness.KeyBytes, Lanes * Lioness.KeyBytes));
        }

        return Packets;
    });

    /// <summary>Eight fragments, each under its own key.</summary>
    public Work AesFragments => new(() =>
    {
        for (int turn = 0; turn < Turns * Packets; turn += Lanes)
        {
            int first = turn % Packets;
            AesCtr.TransformZeroIvLanes(
                new(_keys.AsSpan(first * AesCtr.KeyBytes), AesCtr.KeyBytes), _packets, _fragments.AsSpan(first, Lanes));
        }

        return Turns * Packets;
    });

    /// <summary>.NET has no CTR: the same number of blocks as ECB, key schedule included.</summary>
    public Work AesOfBcl => new(() =>
    {
        for (int i = 0; i < Packets; i++)
        {
            _aes.SetKey(_keys.AsSpan(i * AesCtr.KeyBytes, AesCtr.KeyBytes));
            _aes.EncryptEcb(_packets.AsSpan(i * PacketBytes, _stream.Length), _stream, PaddingMode.None);
        }

        return Packets;
    });

    public void Dispose() => _aes.Dispose();

    private static LaneRange[] Ranges(int count, int stride, int bytes) =>
        [.. Enumerable.Range(0, count).Select(i => new LaneRange(i * stride, bytes))];
}
