using System.Buffers.Binary;
using FastExit.Crypto.EndToEnd;
using Xunit;

namespace FastExit.Tests.Crypto.EndToEnd;

[Trait(CpuLevelTests.Levels, CpuLevelTests.Same)]
public class MessageTests
{
    private static readonly byte[] Tag = Convert.FromHexString("000102030405060708090a0b0c0d0e0f");

    // end-to-end.md A.7
    [Fact]
    public void Published_messages()
    {
        byte[] buffer = new byte[200];
        Recipient.TryRead(Convert.FromHexString(RecipientTests.FirstHex), out Recipient recipient);

        Assert.Equal("006869", Hex(MessageWriter.WritePlainHeader(buffer), "hi"));
        Assert.Equal("02006869", Hex(MessageWriter.WriteReplyHeader(buffer), "hi"));
        Assert.Equal(
            "01000102030405060708090a0b0c0d0e0f03000000006869",
            Hex(MessageWriter.WriteRepliableHeader(buffer, Tag, 0, 0, KeyRotation.Unknown), "hi"));
        Assert.Equal(
            "0201" + RecipientTests.FirstHex + "00000032", Hex(MessageWriter.WriteSurbRequest(buffer, recipient, 50), ""));
        Assert.Equal("00140401", Hex(SurbBlock.WriteHead(buffer, 20, 4, KeyRotation.Odd), ""));
        Assert.Equal("04", Hex(MessageWriter.WriteAdditionalSurbsHeader(buffer, Tag, 0, 0, 0), "")[34..36]);
        Assert.Equal("05", Hex(MessageWriter.WriteHeartbeatHeader(buffer, Tag, 0, 0, 0), "")[34..36]);

        string Hex(int headerBytes, string text)
        {
            System.Text.Encoding.ASCII.GetBytes(text, buffer.AsSpan(headerBytes));
            return Convert.ToHexStringLower(buffer.AsSpan(0, headerBytes + text.Length));
        }
    }

    [Theory]
    [InlineData("006869", MessageKind.Plain)]
    [InlineData("02006869", MessageKind.ReplyData)]
    [InlineData("01000102030405060708090a0b0c0d0e0f03000000006869", MessageKind.RepliableData)]
    [InlineData("01000102030405060708090a0b0c0d0e0f00000000006869", MessageKind.RepliableData)]
    public void Published_messages_read_back(string hex, MessageKind kind)
    {
        Assert.True(EndToEndMessage.TryRead(Convert.FromHexString(hex), out EndToEndMessage message));
        Assert.Equal(kind, message.Kind);
        Assert.Equal("hi"u8.ToArray(), message.Data.ToArray());
        Assert.Equal(kind == MessageKind.RepliableData ? Tag : [], message.SenderTag.ToArray());
        Assert.Equal(0, message.Surbs.Count);
    }

    [Fact]
    public void Surb_request_reads_back_and_insists_on_its_length_and_points()
    {
        byte[] bytes = Convert.FromHexString("0201" + RecipientTests.FirstHex + "00000032");
        Assert.True(EndToEndMessage.TryRead(bytes, out EndToEndMessage message));
        Assert.Equal((MessageKind.SurbRequest, 50u), (message.Kind, message.Amount));
        Assert.Equal(RecipientTests.FirstHex, Convert.ToHexStringLower(message.RecipientBytes));
        Assert.False(EndToEndMessage.TryRead(bytes.AsSpan(0, 101), out _));
        Assert.False(EndToEndMessage.TryRead([.. bytes, 0], out _));
        bytes.AsSpan(2, 32).Clear();
        bytes[2] = 2;
        Assert.False(EndToEndMessage.TryRead(bytes, out _));
    }

    [Theory]
    [InlineData("")]
    [InlineData("03")]
    [InlineData("ff00")]
    [InlineData("01")]
    [InlineData("01000102030405060708090a0b0c0d0e0f")]
    [InlineData("01000102030405060708090a0b0c0d0e0f03")]
    [InlineData("01000102030405060708090a0b0c0d0e0f03000000")]
    [InlineData("01000102030405060708090a0b0c0d0e0f0600000000")]
    [InlineData("01000102030405060708090a0b0c0d0e0f0300000003")]
    [InlineData("01000102030405060708090a0b0c0d0e0f0300000600")]
    [InlineData("01000102030405060708090a0b0c0d0e0f0300010000")]
    [InlineData("01000102030405060708090a0b0c0d0e0f0300010400")]
    [InlineData("01000102030405060708090a0b0c0d0e0f00ffffffff")]
    [InlineData("01000102030405060708090a0b0c0d0e0f0080000000")]
    [InlineData("02")]
    [InlineData("0200")]
    [InlineData("0201")]
    [InlineData("020200")]
    public void Malformed_messages(string hex) =>
        Assert.False(EndToEndMessage.TryRead(Convert.FromHexString(hex), out _));

    [Fact]
    public void Every_kind_reads_back_what_was_written()
    {
        SeededBytes random = new(29);
        for (int round = 0; round < 3_000; round++)
        {
            Sample sample = Sample.Make(random, largestSurbs: 6);
            Assert.True(EndToEndMessage.TryRead(sample.Bytes, out EndToEndMessage message));
            Assert.Equal(sample.Kind, message.Kind);
            Assert.Equal(sample.Data, message.Data.ToArray());
            Assert.Equal(sample.Tag, message.SenderTag.ToArray());
            Assert.Equal(sample.Surbs.Length, message.Surbs.Count);
            Assert.Equal(sample.Kind == MessageKind.SurbRequest ? sample.Amount : 0, message.Amount);
            if (sample.Surbs.Length == 0)
                continue;
            Assert.Equal(sample.Rotation, message.Surbs.Rotation);
            Assert.Equal(sample.Legacy, message.Surbs.IsLegacyForm);
            Assert.Equal(sample.Hops, message.Surbs.Hops);
            for (int i = 0; i < sample.Surbs.Length; i++)
            {
                ReplySurb surb = message.Surbs[i];
                Assert.Equal(sample.Surbs[i], surb.Bytes.ToArray());
                Assert.Equal(sample.Hops, surb.Hops);
                Assert.Equal(sample.Surbs[i][..16], surb.ReplyKey.ToArray());
                Assert.Equal(sample.Surbs[i][16..364], surb.Header.ToArray());
                Assert.Equal(sample.Surbs[i][364..396], surb.FirstHop.ToArray());
                Assert.Equal(sample.Surbs[i][396..], surb.Material.ToArray());
                Assert.Equal(sample.Surbs[i][16..], surb.Surb.ToArray());
            }
        }
    }

    [Fact]
    public void Reading_past_the_block_is_refused()
    {
        Assert.True(EndToEndMessage.TryRead(
            Convert.FromHexString("01000102030405060708090a0b0c0d0e0f03000004006869"), out EndToEndMessage message));
        bool thrown = false;
        try
        {
            _ = message.Surbs[0];
        }
        catch (ArgumentOutOfRangeException)
        {
            thrown = true;
        }

        Assert.True(thrown);
    }

    [Fact]
    public void A_block_that_lies_about_its_size_is_malformed()
    {
        SeededBytes random = new(31);
        for (int hops = 1; hops <= 5; hops++)
        {
            byte[] bytes = Sample.Repliable(random, content: 3, surbs: 4, hops, KeyRotation.Odd, data: []).Bytes;
            Assert.True(EndToEndMessage.TryRead(bytes, out _));
            Assert.False(EndToEndMessage.TryRead(bytes.AsSpan(0, bytes.Length - 1), out _));
            for (int count = 0; count <= 10; count++)
            {
                BinaryPrimitives.WriteUInt16BigEndian(bytes.AsSpan(18), (ushort)count);
                Assert.Equal(count <= 4, EndToEndMessage.TryRead(bytes, out _));
            }
        }
    }

    [Fact]
    public void Every_first_hop_of_a_block_is_checked()
    {
        SeededBytes random = new(37);
        foreach (byte content in new byte[] { 0, 3 })
        {
            byte[] bytes = Sample.Repliable(random, content, surbs: 5, hops: 4, KeyRotation.Even, data: [1]).Bytes;
            int entry = content == 0 ? 1164 : 460;
            for (int i = 0; i < 5; i++)
            {
                int at = 22 + (i * entry) + 364;
                byte family = bytes[at];
                bytes[at] = 5;
                Assert.False(EndToEndMessage.TryRead(bytes, out _));
                bytes[at] = family;
                Assert.True(EndToEndMessage.TryRead(bytes, out _));
            }
        }
    }

    [Fact]
    public void Generated_messages_agree_with_the_rules_and_allocate_nothing()
    {
        SeededBytes random = new(43);
        Sample[] samples = new Sample[300];
        for (int i = 0; i < samples.Length; i++)
        {
            // Two point checks make a SURB request the slowest message to read: one sample in 30.
            do
                samples[i] = Sample.Make(random, largestSurbs: i % 8 == 0 ? 3 : 1);
            while (i % 30 != 0 && samples[i].Kind == MessageKind.SurbRequest);
        }

        byte[] buffer = new byte[8192];
        int accepted = 0;
        Allocation.AssertNone(() =>
        {
            for (int i = 0; i < 500_000; i++)
            {
                Span<byte> input;
                if (i % 8 == 0)
                {
                    input = buffer.AsSpan(0, random.Below(120));
                    random.Fill(input);
                    if (!input.IsEmpty && i % 16 != 0)
                        input[0] &= 3;
                }
                else
                {
                    input = random.Mutate(samples[random.Below(samples.Length)].Bytes, buffer);
                }

                bool ok = EndToEndMessage.TryRead(input, out EndToEndMessage message);
                if (ok != IsLegal(input))
                    Assert.Fail(Convert.ToHexString(input));
                if (!ok)
                    continue;
                accepted++;
                if (!ViewsCover(message, input))
                    Assert.Fail(Convert.ToHexString(input));
            }
        });
        Assert.True(accepted > 200_000);
    }

    // Every byte that is not a head must be in exactly one view.
    private static bool ViewsCover(EndToEndMessage message, ReadOnlySpan<byte> input)
    {
        int seen = message.Kind switch
        {
            MessageKind.Plain => 1,
            MessageKind.ReplyData => 2,
            MessageKind.SurbRequest => 2 + 4 + message.RecipientBytes.Length,
            _ => 18 + 4 + message.Surbs.Entries.Length,
        };
        int surbBytes = 0;
        for (int i = 0; i < message.Surbs.Count; i++)
        {
            ReplySurb surb = message.Surbs[i];
            surbBytes += surb.Bytes.Length;
            if (surb.Material.Length != surb.Hops * (message.Surbs.IsLegacyForm ? 192 : 16))
                return false;
        }

        bool trailing = message.Kind is MessageKind.AdditionalSurbs or MessageKind.Heartbeat;
        return surbBytes == message.Surbs.Entries.Length
            && (trailing ? seen <= input.Length && message.Data.IsEmpty : seen + message.Data.Length == input.Length)
            && input.EndsWith(message.Data);
    }

    // end-to-end.md §2 read a second time, in other words.
    private static bool IsLegal(ReadOnlySpan<byte> b)
    {
        if (b.Length >= 1 && b[0] == 0)
            return true;
        if (b.Length >= 3 && b[0] == 2 && b[1] == 0)
            return true;
        if (b.Length == 102 && b[0] == 2 && b[1] == 1)
            return Recipient.TryRead(b.Slice(2, 96), out _);
        if (b.Length < 22 || b[0] != 1 || b[17] > 5)
            return false;
        ulong count, entry;
        if (b[17] <= 2)
        {
            count = BinaryPrimitives.ReadUInt32BigEndian(b[18..]);
            entry = 1164;
        }
        else
        {
            count = BinaryPrimitives.ReadUInt16BigEndian(b[18..]);
            entry = 396 + (16 * (ulong)b[20]);
            if (b[21] > 2 || b[20] > 5 || (b[20] == 0 && count != 0))
                return false;
        }

        if (count > (ulong)b.Length || count * entry > (ulong)(b.Length - 22))
            return false;
        for (ulong i = 0; i < count; i++)
        {
            if (b[(int)(22 + (i * entry) + 364)] is not (4 or 6))
                return false;
        }

        return true;
    }

    /// <summary>A valid message and what it was made from.</summary>
    private sealed record Sample(MessageKind Kind, byte[] Bytes, byte[] Tag, byte[] Data, byte[][] Surbs)
    {
        public int Hops { get; private init; }

        public bool Legacy { get; private init; }

        public KeyRotation Rotation { get; private init; }

        public uint Amount { get; private init; }

        public static Sample Make(SeededBytes random, int largestSurbs)
        {
            byte[] data = random.Bytes(1 + random.Below(200));
            byte[] buffer = new byte[300];
            switch (random.Below(9))
            {
                case 0:
                    return new Sample(
                        MessageKind.Plain, Join(buffer, MessageWriter.WritePlainHeader(buffer), data), [], data, []);
                case 1:
                    return new Sample(
                        MessageKind.ReplyData, Join(buffer, MessageWriter.WriteReplyHeader(buffer), data), [], data, []);
                case 2:
                    Recipient.TryRead(Convert.FromHexString(RecipientTests.FirstHex), out Recipient recipient);
                    uint amount = (uint)random.Next();
                    int length = MessageWriter.WriteSurbRequest(buffer, recipient, amount);
                    return new Sample(MessageKind.SurbRequest, buffer[..length], [], [], []) { Amount = amount };
                default:
                    int surbs = random.Below(largestSurbs + 1);
                    byte content = (byte)random.Below(6);
                    return Repliable(
                        random, content, surbs, 1 + random.Below(5), (KeyRotation)random.Below(3),
                        content % 3 == 0 ? data : []);
            }
        }

        public static Sample Repliable(
            SeededBytes random, byte content, int surbs, int hops, KeyRotation rotation, byte[] data)
        {
            bool legacy = content < 3;
            if (legacy)
                (hops, rotation) = (4, KeyRotation.Unknown);
            byte[] tag = random.Bytes(16), head = new byte[22];
            _ = (content % 3) switch
            {
                0 => MessageWriter.WriteRepliableHeader(head, tag, surbs, hops, rotation),
                1 => MessageWriter.WriteAdditionalSurbsHeader(head, tag, surbs, hops, rotation),
                _ => MessageWriter.WriteHeartbeatHeader(head, tag, surbs, hops, rotation),
            };
            if (legacy)
            {
                head[17] -= 3;
                BinaryPrimitives.WriteUInt32BigEndian(head.AsSpan(18), (uint)surbs);
            }

            byte[][] entries = new byte[surbs][];
            for (int i = 0; i < surbs; i++)
            {
                entries[i] = random.Bytes(396 + (hops * (legacy ? 192 : 16)));
                entries[i][364] = (byte)(random.Below(2) == 0 ? 4 : 6);
            }

            MessageKind kind = (content % 3) switch
            {
                0 => MessageKind.RepliableData,
                1 => MessageKind.AdditionalSurbs,
                _ => MessageKind.Heartbeat,
            };
            byte[] bytes = [.. head, .. entries.SelectMany(e => e), .. data];
            return new Sample(kind, bytes, tag, data, entries) { Hops = hops, Legacy = legacy, Rotation = rotation };
        }

        private static byte[] Join(byte[] head, int headBytes, byte[] data) => [.. head.AsSpan(0, headBytes), .. data];
    }
}
