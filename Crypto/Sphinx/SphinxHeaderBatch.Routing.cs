using System.Numerics;
using FastExit.Crypto.Lanes;
using FastExit.Crypto.Primitives;

namespace FastExit.Crypto.Sphinx;

// The second half of building, when all keys are there: routing information and codes from the last hop to the first.
public sealed partial class SphinxHeaderBatch
{
    private void MakeStreams(int hops)
    {
        const int LanesBytes = Lanes * SharedSecretExpansion.Bytes, LaneStreamsBytes = Lanes * SphinxSizes.StreamBytes;
        _streams.AsSpan(0, hops * LaneStreamsBytes).Clear();
        for (int hop = 0; hop < hops; hop++)
        {
            AesCtr.TransformZeroIvLanes(
                _level,
                new(_expanded.AsSpan(hop * LanesBytes), SharedSecretExpansion.Bytes, AesCtr.KeyBytes),
                _streams.AsSpan(hop * LaneStreamsBytes),
                _streamRanges.AsSpan(0, Count));
        }
    }

    // sphinx.md §6 step 2: the filler to where it stays until the final block is in front of it.
    private void AppendFiller(int lane)
    {
        int last = _hops[lane] - 1;
        Span<byte> filler = Routing(lane)[^(SphinxSizes.RoutingBlockBytes * last)..];
        if (last == 0)
            return;
        filler.Clear();
        for (int hop = 0; hop < last; hop++)
        {
            int bytes = SphinxSizes.RoutingBlockBytes * (hop + 1);
            Xor(filler[..bytes], Stream(lane, hop)[^bytes..]);
        }
    }

    // sphinx.md §6 steps 3 and 4 for one hop: the block in front of what follows, encrypted, and the code over it.
    private void WriteHop(int hop)
    {
        for (int lane = 0; lane < Count; lane++)
        {
            if (hop == _hops[lane] - 1)
                WriteFinal(lane, hop);
            else if (hop < _hops[lane])
                WriteForward(lane, hop);
        }

        ReadOnlySpan<byte> expanded = _expanded.AsSpan(hop * Lanes * SharedSecretExpansion.Bytes);
        HmacSha256Lanes.Compute(
            _level,
            new(expanded[SharedSecretExpansion.MacKeyOffset..], SharedSecretExpansion.Bytes, SphinxSizes.MacBytes),
            _headers,
            _routings.AsSpan(0, Count),
            _macs,
            SphinxSizes.MacBytes,
            SphinxSizes.MacBytes);
        for (int lane = 0; lane < Count; lane++)
        {
            if (hop < _hops[lane])
                Slice(_macs, lane, SphinxSizes.MacBytes).CopyTo(Mac(lane));
        }
    }

    private void WriteFinal(int lane, int hop)
    {
        Span<byte> own = Routing(lane)[..(SphinxSizes.RoutingBytes - SphinxSizes.RoutingBlockBytes * hop)];
        RoutingBlock.WriteFinal(
            own,
            _versions[lane],
            Slice(_destinations, lane, SphinxSizes.DestinationBytes),
            Slice(_identifiers, lane, SphinxSizes.IdentifierBytes));
        Padding(lane).CopyTo(own[SphinxSizes.FinalMetaBytes..]);
        Xor(own, Stream(lane, hop));
    }

    private void WriteForward(int lane, int hop)
    {
        Span<byte> routing = Routing(lane);
        routing[..^SphinxSizes.RoutingBlockBytes].CopyTo(routing[SphinxSizes.RoutingBlockBytes..]);
        RoutingBlock.WriteForward(
            routing, _versions[lane], Address(lane, hop + 1), _delays[lane * Hops + hop], Mac(lane));
        Xor(routing, Stream(lane, hop));
    }

    private Span<byte> Mac(int lane) =>
        Slice(_headers, lane, SphinxSizes.HeaderBytes)[SphinxSizes.AlphaBytes..MacEnd];

    private Span<byte> Stream(int lane, int hop) => Slice(_streams, hop * Lanes + lane, SphinxSizes.StreamBytes);

    private Span<byte> Routing(int lane) => Slice(_headers, lane, SphinxSizes.HeaderBytes)[MacEnd..];

    private static void Xor(Span<byte> data, ReadOnlySpan<byte> stream)
    {
        int i = 0;
        for (; i <= data.Length - Vector<byte>.Count; i += Vector<byte>.Count)
            (new Vector<byte>(data[i..]) ^ new Vector<byte>(stream[i..])).CopyTo(data[i..]);
        for (; i < data.Length; i++)
            data[i] ^= stream[i];
    }
}
