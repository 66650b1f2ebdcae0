using FastExit.Crypto.EndToEnd;
using FastExit.Crypto.Primitives;
using Xunit;

namespace FastExit.Tests.Crypto.EndToEnd;

[Trait(CpuLevelTests.Levels, CpuLevelTests.Same)]
public class FragmentPlanTests
{
    private static readonly int[] Sizes =
    [
        PacketSizes.FragmentBytes(PacketSize.Regular), PacketSizes.FragmentBytes(PacketSize.Extended8),
        PacketSizes.FragmentBytes(PacketSize.Extended16), PacketSizes.FragmentBytes(PacketSize.Extended32),
    ];

    // end-to-end.md §3.4, packets for N application bytes in a reply
    [Theory]
    [InlineData(1, 1, 1, 1, 1)]
    [InlineData(1601, 1, 1, 1, 1)]
    [InlineData(1602, 2, 1, 1, 1)]
    [InlineData(4096, 3, 1, 1, 1)]
    [InlineData(8192, 6, 2, 1, 1)]
    [InlineData(16384, 11, 3, 2, 1)]
    [InlineData(65536, 41, 9, 5, 3)]
    [InlineData(262144, 164, 34, 17, 9)]
    [InlineData(409017, 255, 53, 26, 13)]
    [InlineData(409018, 256, 53, 26, 13)]
    [InlineData(1048576, 654, 136, 66, 33)]
    [InlineData(10485760, 6538, 1354, 658, 325)]
    public void Packets_of_a_reply(int data, int regular, int extended8, int extended16, int extended32)
    {
        int[] expected = [regular, extended8, extended16, extended32];
        Assert.Equal(expected, Sizes.Select(a => FragmentPlan.For(data + MessageWriter.ReplyHeaderBytes, a).Packets));
    }

    [Fact]
    public void Sets_of_long_replies()
    {
        Assert.Equal(1, FragmentPlan.For(409017 + 2, 1611).Sets);
        Assert.Equal(2, FragmentPlan.For(409018 + 2, 1611).Sets);
        Assert.Equal(3, FragmentPlan.For(1048576 + 2, 1611).Sets);
        Assert.Equal(26, FragmentPlan.For(10485760 + 2, 1611).Sets);
    }

    // end-to-end.md §3.4, SURB transfer in Regular packets
    [Theory]
    [InlineData(1, 1, 1, 1)]
    [InlineData(10, 3, 3, 8)]
    [InlineData(20, 6, 6, 15)]
    [InlineData(50, 15, 13, 37)]
    [InlineData(100, 29, 26, 73)]
    public void Packets_of_a_surb_transfer(int surbs, int fourHops, int oneHop, int legacy)
    {
        int[] entries = [460, 412, SurbBlock.LegacyEntryBytes];
        int[] expected = [fourHops, oneHop, legacy];
        Assert.Equal(
            expected,
            entries.Select(e => FragmentPlan.For(MessageWriter.RepliableHeaderBytes + (surbs * e), 1611).Packets));
    }

    [Fact]
    public void Packets_of_a_first_request() =>
        Assert.Equal(6, FragmentPlan.For(MessageWriter.RepliableHeaderBytes + (20 * 460) + 100, 1611).Packets);

    // end-to-end.md §3.1, application bytes in one packet
    [Theory]
    [InlineData(MessageWriter.PlainHeaderBytes, 1602, 7746, 15938, 32322)]
    [InlineData(MessageWriter.ReplyHeaderBytes, 1601, 7745, 15937, 32321)]
    [InlineData(MessageWriter.RepliableHeaderBytes, 1581, 7725, 15917, 32301)]
    [InlineData(MessageWriter.RepliableHeaderBytes + 460, 1121, 7265, 15457, 31841)]
    [InlineData(MessageWriter.RepliableHeaderBytes + 1380, 201, 6345, 14537, 30921)]
    public void Largest_single_packet(int headerBytes, params int[] largest)
    {
        for (int i = 0; i < Sizes.Length; i++)
        {
            Assert.Equal(1, FragmentPlan.For(headerBytes + largest[i], Sizes[i]).Packets);
            Assert.Equal(2, FragmentPlan.For(headerBytes + largest[i] + 1, Sizes[i]).Packets);
        }
    }

    // end-to-end.md A.9
    [Fact]
    public void Published_two_fragments()
    {
        byte[] message = new byte[2002];
        int header = MessageWriter.WriteReplyHeader(message);
        for (int i = 0; i < 2000; i++)
            message[header + i] = (byte)i;
        FragmentPlan plan = FragmentPlan.For(message.Length, 1611);
        Assert.Equal((2, 1), (plan.Packets, plan.Sets));
        string[] starts = ["80c0ffee0201000200000102030405", "80c0ffee02020042434445464748494a"];
        string[] digests =
        [
            "8747a2531cbd0fe8830d98a8dafde8b021f918b3f909e69b91f47b3a88eed621",
            "4c8f2201a01e6719e8269c02c21239940b0ef75b177361f5bd11175836de8ab4",
        ];
        byte[] fragment = new byte[1611], digest = new byte[32], twoParts = new byte[1611];
        for (int i = 0; i < 2; i++)
        {
            plan.WriteFragment(message, i, [0x00c0ffee], fragment);
            Assert.StartsWith(starts[i], Convert.ToHexStringLower(fragment), StringComparison.Ordinal);
            Blake3.Hash(fragment, digest);
            Assert.Equal(digests[i], Convert.ToHexStringLower(digest));
            plan.WriteFragment(message.AsSpan(0, 2), message.AsSpan(2), i, [0x00c0ffee], twoParts);
            Assert.Equal(fragment, twoParts);
        }
    }

    // end-to-end.md A.10. Its buffer has no padding marker; one byte behind it is the marker here.
    [Fact]
    public void Published_linked_split()
    {
        byte[] message = new byte[5869];
        for (int i = 0; i < message.Length; i++)
            message[i] = (byte)((7 * i) + 1);
        FragmentPlan plan = FragmentPlan.For(message.Length, 30);
        Assert.Equal((256, 2), (plan.Packets, plan.Sets));
        uint[] ids = [0x11111111, 0x22222222];
        Assert.Equal(
            "91111111ff010001080f161d242b323940474e555c636a71787f868d949b", Fragment(0));
        Assert.Equal(
            "91111111fffe001e252c333a41484f565d646b727980878e959ca3aab1b8", Fragment(253));
        Assert.Equal(
            "91111111ffffa2222222bfc6cdd4dbe2e9f0f7fe050c131a21282f363d44", Fragment(254));
        Assert.Equal(
            "a22222220101911111114b525960676e7501000000000000000000000000", Fragment(255));

        string Fragment(int index)
        {
            byte[] fragment = new byte[30];
            plan.WriteFragment(message, index, ids, fragment);
            return Convert.ToHexStringLower(fragment);
        }
    }

    // end-to-end.md A.10, the relations at its end; lengths count the padding marker
    [Theory]
    [InlineData(1611)]
    [InlineData(32331)]
    [InlineData(30)]
    [InlineData(14)]
    public void Chunking_relations(int fragmentBytes)
    {
        long u = fragmentBytes - 7, l = fragmentBytes - 10, edge = (255 * u) - 3, middle = (255 * u) - 6;
        Assert.Equal((255, 1), Shape(255 * u));
        Assert.Equal((256, 2), Shape((255 * u) + 1));
        Assert.Equal((256, 2), Shape(edge + l));
        Assert.Equal((257, 2), Shape(edge + l + 1));
        Assert.Equal((255 + 42, 2), Shape(edge + l + (41 * u)));
        Assert.Equal((510, 2), Shape(2 * edge));
        Assert.Equal((511, 3), Shape((2 * edge) + 1));
        Assert.Equal(((9 * 255) + 1, 10), Shape(edge + (8 * middle) + l));
        Assert.Equal(((9 * 255) + 2, 10), Shape(edge + (8 * middle) + l + 1));

        // No space left: the last fragment of edge + l ends with the marker.
        FragmentPlan plan = FragmentPlan.For(edge + l - 1, fragmentBytes);
        byte[] fragment = new byte[fragmentBytes];
        plan.WriteFragment(new byte[edge + l - 1], 255, [5, 6], fragment);
        Assert.Equal(1, fragment[^1]);

        (int Packets, int Sets) Shape(long padded)
        {
            FragmentPlan shape = FragmentPlan.For(padded - 1, fragmentBytes);
            return (shape.Packets, shape.Sets);
        }
    }

    [Theory]
    [InlineData(11, 0, 2600, 1)]
    [InlineData(12, 2000, 4400, 7)]
    [InlineData(30, 0, 6300, 11)]
    [InlineData(1611, 0, 1300000, 25013)]
    [InlineData(7755, 0, 6200000, 771043)]
    [InlineData(32331, 100, 17000000, 4120011)]
    public void Every_message_survives_split_shuffle_and_reassembly(int fragmentBytes, int from, int to, int step)
    {
        SeededBytes random = new((ulong)fragmentBytes);
        byte[] message = random.Bytes(to);
        Reassembly reassembly = new(fragmentBytes, to);
        for (int length = from; length < to; length += step)
            reassembly.Check(message.AsSpan(0, length), random);

        // All lengths around a full fragment and around a full set.
        foreach (int border in new[] { fragmentBytes - 7, 255 * (fragmentBytes - 7), (510 * (fragmentBytes - 7)) - 6 })
        {
            for (int length = Math.Max(0, border - 5); length < border + 5 && length <= to; length++)
                reassembly.Check(message.AsSpan(0, length), random);
        }
    }

    [Fact]
    public void Data_laid_in_place_is_framed_in_place()
    {
        SeededBytes random = new(23);
        uint[] ids = [7, 8, 9];
        byte[] whole = new byte[30], inPlace = new byte[30];
        foreach (int length in new[] { 0, 1, 22, 23, 24, 5864, 5865, 9000, 11750 })
        {
            byte[] message = random.Bytes(length);
            FragmentPlan plan = FragmentPlan.For(length, 30);
            for (int i = 0; i < plan.Packets; i++)
            {
                plan.WriteFragment(message, i, ids, whole);
                random.Fill(inPlace);
                plan.Slice(i, out int headerBytes, out long offset, out int bytes);
                message.AsSpan((int)offset, bytes).CopyTo(inPlace.AsSpan(headerBytes));
                plan.Frame(i, ids, inPlace);
                Assert.Equal(whole, inPlace);
            }
        }
    }

    [Fact]
    public void Planning_and_writing_allocate_nothing()
    {
        byte[] message = new byte[500_000], fragment = new byte[1611];
        uint[] ids = new uint[2];
        Allocation.AssertNone(() =>
        {
            FragmentPlan plan = FragmentPlan.For(message.Length, 1611);
            SetId.Fill(ids.AsSpan(0, plan.Sets));
            for (int i = 0; i < plan.Packets; i++)
                plan.WriteFragment(message, i, ids, fragment);
        });
    }

    [Fact]
    public void Nonsense_is_refused()
    {
        Assert.Throws<ArgumentOutOfRangeException>(() => FragmentPlan.For(-1, 1611));
        Assert.Throws<ArgumentOutOfRangeException>(() => FragmentPlan.For(1, 10));
        Assert.Throws<ArgumentOutOfRangeException>(() => FragmentPlan.For(long.MaxValue, 1611));
        FragmentPlan plan = FragmentPlan.For(10, 1611);
        Assert.Throws<ArgumentOutOfRangeException>(() => plan.Place(1));
        Assert.Throws<ArgumentOutOfRangeException>(() => plan.Place(-1));
        Assert.Throws<ArgumentException>(() => plan.WriteFragment(new byte[9], 0, [1], new byte[1611]));
    }

    [Fact]
    public void Padding_ends_at_the_last_marker()
    {
        Assert.False(MessagePadding.TryStrip([], out _));
        Assert.False(MessagePadding.TryStrip([0, 2, 0], out _));
        Assert.True(MessagePadding.TryStrip([1], out int length));
        Assert.Equal(0, length);
        Assert.True(MessagePadding.TryStrip([9, 1, 1, 0, 7], out length));
        Assert.Equal(2, length);
        SeededBytes random = new(41);
        byte[] buffer = new byte[64];
        Allocation.AssertNone(() =>
        {
            for (int i = 0; i < 500_000; i++)
            {
                Span<byte> input = buffer.AsSpan(0, random.Below(64));
                random.Fill(input);
                foreach (ref byte b in input)
                    b &= 31;
                int expected = -1;
                for (int at = 0; at < input.Length; at++)
                    expected = input[at] == 1 ? at : expected;
                if (MessagePadding.TryStrip(input, out int found) != expected >= 0 || found != Math.Max(0, expected))
                    Assert.Fail(Convert.ToHexString(input));
            }
        });
    }

    [Fact]
    public void Cover_is_told_by_its_text()
    {
        byte[] fragment = new byte[1611];
        CoverMarker.Write(fragment);
        Assert.Equal(
            "5468652063616b652069732061206c6965210100", Convert.ToHexStringLower(fragment.AsSpan(0, 20)));
        Assert.False(fragment.AsSpan(19).ContainsAnyExcept((byte)0));
        Assert.True(CoverMarker.IsCover(fragment));
        Assert.False(FragmentHeader.TryRead(fragment, out _));
        Assert.False(CoverMarker.IsCover(fragment.AsSpan(0, 17)));
        for (int i = 0; i < 18; i++)
        {
            fragment[i] ^= 0x20;
            Assert.False(CoverMarker.IsCover(fragment));
            fragment[i] ^= 0x20;
        }
    }

    /// <summary>A receiver written from end-to-end.md §3.5: slots by set id, then the chain of links.</summary>
    private sealed class Reassembly(int fragmentBytes, int largest)
    {
        private readonly byte[] _fragments = new byte[largest + (fragmentBytes * 600) + largest];
        private readonly byte[] _whole = new byte[(largest * 2) + (fragmentBytes * 600)];
        private readonly Dictionary<uint, int[]> _sets = [];

        public void Check(ReadOnlySpan<byte> message, SeededBytes random)
        {
            FragmentPlan plan = FragmentPlan.For(message.Length, fragmentBytes);
            uint[] ids = new uint[plan.Sets];
            SetId.Fill(ids);
            int[] order = new int[plan.Packets];
            for (int i = 0; i < order.Length; i++)
            {
                int swap = random.Below(i + 1);
                order[i] = order[swap];
                order[swap] = i;
            }

            for (int i = 0; i < order.Length; i++)
                plan.WriteFragment(message, order[i], ids, _fragments.AsSpan(i * fragmentBytes, fragmentBytes));

            _sets.Clear();
            uint first = 0;
            for (int i = 0; i < order.Length; i++)
            {
                FragmentHeader header = Read(i);
                if (!_sets.TryGetValue(header.SetId, out int[]? slots))
                    _sets[header.SetId] = slots = Enumerable.Repeat(-1, header.Total).ToArray();
                if (slots.Length != header.Total || slots[header.Position - 1] != -1)
                    Assert.Fail($"Length {message.Length}: a fragment contradicts its set.");
                slots[header.Position - 1] = i;
                if (header.Position == 1 && header.Link == SetLink.None)
                    first = header.SetId;
            }

            int filled = 0, used = 0;
            uint previous = 0;
            for (uint id = first; id != 0;)
            {
                used++;
                uint next = 0;
                foreach (int slot in _sets[id])
                {
                    FragmentHeader header = Read(slot);
                    if (header.Link == SetLink.Previous && header.LinkedSetId != previous)
                        Assert.Fail($"Length {message.Length}: the chain does not hold backwards.");
                    if (header.Link == SetLink.Next)
                        next = header.LinkedSetId;
                    Span<byte> part = _fragments.AsSpan(slot * fragmentBytes, fragmentBytes)[header.HeaderBytes..];
                    part.CopyTo(_whole.AsSpan(filled));
                    filled += part.Length;
                }

                previous = id;
                id = next;
            }

            if (used != plan.Sets
                || !MessagePadding.TryStrip(_whole.AsSpan(0, filled), out int length)
                || !_whole.AsSpan(0, length).SequenceEqual(message)
                || _whole.AsSpan(length + 1, filled - length - 1).ContainsAnyExcept((byte)0)
                || filled - length > fragmentBytes)
            {
                Assert.Fail($"Length {message.Length} came back different.");
            }
        }

        private FragmentHeader Read(int slot)
        {
            if (slot < 0 || !FragmentHeader.TryRead(_fragments.AsSpan(slot * fragmentBytes, fragmentBytes), out var header))
                throw new InvalidOperationException("A fragment is missing or malformed.");
            return header;
        }
    }
}
