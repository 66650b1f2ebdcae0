using System.Security.Cryptography;
using System.Text;
using FastExit.Bench.Client;
using FastExit.Bench.Lab.Entry;
using FastExit.Crypto.EndToEnd;
using Xunit;

namespace FastExit.Tests.Bench.Lab.Entry;

/// <summary>Whatever comes in over a client's websocket, the decoders neither throw nor read past it.</summary>
public sealed class EntryFuzzTests
{
    private const int Frames = 1_000_000;

    [Fact]
    public void Websocket_headers_of_any_bytes()
    {
        var random = new Random(6455);
        Span<byte> bytes = stackalloc byte[16];
        int[] seen = new int[3];
        for (int i = 0; i < Frames; i++)
        {
            random.NextBytes(bytes);
            if ((i & 1) == 0)
                bytes[0] &= 0x8F;
            int length = random.Next(bytes.Length + 1);
            WebSocketFrameStatus status = WebSocketFrame.TryRead(bytes[..length], out WebSocketFrame frame);
            seen[(int)status]++;
            if (status != WebSocketFrameStatus.Ok)
                continue;
            Assert.True(frame.HeaderBytes <= length && frame.PayloadBytes >= 0);
            Assert.True(!frame.IsControl || (frame.Final && frame.PayloadBytes <= WebSocketFrame.LargestControlBytes));

            // With one byte less it is not there yet.
            Assert.Equal(WebSocketFrameStatus.Incomplete, WebSocketFrame.TryRead(bytes[..(frame.HeaderBytes - 1)], out _));
        }

        Assert.All(seen, count => Assert.True(count > Frames / 100));
    }

    [Fact]
    public void Websocket_headers_that_were_written_are_read()
    {
        var random = new Random(6456);
        Span<byte> bytes = stackalloc byte[WebSocketFrame.LargestHeaderBytes];
        foreach (int payload in new[] { 0, 1, 125, 126, 127, 65535, 65536, 1 << 30 }.Concat(Enumerable.Range(0, 10_000).Select(_ => random.Next())))
        {
            uint mask = (uint)random.Next() * (uint)random.Next(2);
            int written = WebSocketFrame.Write(bytes, WebSocketOpcode.Binary, payload, mask);
            Assert.Equal(WebSocketFrameStatus.Ok, WebSocketFrame.TryRead(bytes[..written], out WebSocketFrame frame));
            Assert.Equal(new WebSocketFrame(WebSocketOpcode.Binary, true, mask != 0, written, payload, mask), frame);
        }
    }

    [Fact]
    public void A_mask_is_the_same_byte_by_byte()
    {
        var random = new Random(6457);
        for (int bytes = 0; bytes < 200; bytes++)
        {
            byte[] payload = RandomNumberGenerator.GetBytes(bytes), expected = [.. payload], key = RandomNumberGenerator.GetBytes(4);
            for (int i = 0; i < bytes; i++)
                expected[i] ^= key[i % 4];
            WebSocketFrame.ApplyMask(payload, BitConverter.ToUInt32(key));
            Assert.Equal(expected, payload);
        }
    }

    [Fact]
    public void Forward_requests_of_any_bytes()
    {
        var random = new Random(1);
        byte[] payload = new byte[2500];
        int[] packets = [386, 2413, 100];
        int read = 0;
        for (int i = 0; i < Frames; i++)
        {
            byte kind = (byte)random.Next(4);
            random.NextBytes(payload.AsSpan(0, 24));
            payload[0] &= (byte)random.Next(2);
            payload[1] &= 3;
            if ((i & 1) == 0)
                payload[kind & 3] = (byte)random.Next(4, 7);
            int length = Math.Max(0, packets[random.Next(3)] + kind + (random.Next(2) == 0 ? 7 : 19) + random.Next(-1, 2));
            if (!ForwardRequest.TryRead(kind, payload.AsSpan(0, length), out ForwardRequest request))
                continue;
            read++;
            Assert.True(kind is 1 or 2 && payload[0] == 0);
            Assert.Equal(PacketSizes.PacketBytes(request.Size), request.Packet.Length);
            byte[] head = new byte[21];
            int written = ForwardRequest.WriteHead(head, kind, request.FirstHop, request.Rotation);
            Assert.Equal(length, written + request.Packet.Length);
            Assert.True(payload.AsSpan(0, written).SequenceEqual(head.AsSpan(0, written)));
        }

        Assert.True(read > Frames / 200, $"only {read} were requests");
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void Frames_by_nobodys_key_are_refused(bool legacy)
    {
        var random = new Random(8452);
        SharedKey key = SharedKey.From(RandomNumberGenerator.GetBytes(32), legacy);
        byte[] frame = new byte[64];
        for (int i = 0; i < Frames / 4; i++)
        {
            random.NextBytes(frame);
            frame[1] = 1;
            Assert.False(key.TryOpen(frame.AsSpan(0, random.Next(frame.Length + 1)), out _, out _));
        }

        for (int i = 0; i < 2000; i++)
        {
            byte[] sealedFrame = new byte[random.Next(100) + key.FrameOverheadBytes];
            random.NextBytes(key.PayloadOf(sealedFrame));
            byte[] payload = key.PayloadOf(sealedFrame).ToArray();
            key.Seal(2, sealedFrame);
            byte[] damaged = [.. sealedFrame];
            int bit = random.Next(8 * damaged.Length);

            // The kind is not covered; another one is an unknown request.
            if (legacy || bit >= 8)
            {
                damaged[bit / 8] ^= (byte)(1 << (bit % 8));
                Assert.False(key.TryOpen(damaged, out _, out _));
            }

            Assert.True(key.TryOpen(sealedFrame, out byte kind, out Span<byte> opened));
            Assert.Equal(legacy ? 1 : 2, kind);
            Assert.Equal(payload, opened.ToArray());
        }
    }

    [Fact]
    public void Text_of_any_form()
    {
        string[] seeds =
        [
            """{"type":"supportedProtocol"}""",
            """{"type":"handshakePayload","protocol_version":6,"data":[1,2,255]}""",
            """{"type":"authenticate","protocol_version":3,"address":"3yZe7d","enc_address":"3yZe7d","iv":"3yZe7d"}""",
            """{"type":"authenticateV2","protocolVersion":6,"clientIdentity":[1,2],"addressCiphertext":"AAEC","nonce":"AAEC","requestUnixTimestamp":1700000000,"requestSignature":[9]}""",
            """{"type":"encryptedRequest","ciphertext":[1],"nonce":[2]}""",
            """{"type":"register","protocol_version":6,"status":true,"upgrade_mode":false}""",
            """{"type":"bandwidth","available_total":12,"upgrade_mode":false}""",
            """{"type":"error","message":"no"}""",
        ];
        string alphabet = "{}[]\",:.-+e0123456789abtrufalsn \\\u00e9";
        var random = new Random(8259);
        int requests = 0, answers = 0;
        for (int i = 0; i < 150_000; i++)
        {
            StringBuilder text = new(seeds[random.Next(seeds.Length)]);
            for (int changes = random.Next(4); changes > 0; changes--)
            {
                int at = random.Next(text.Length);
                switch (random.Next(3))
                {
                    case 0:
                        text[at] = alphabet[random.Next(alphabet.Length)];
                        break;
                    case 1:
                        text.Remove(at, Math.Min(text.Length - at, random.Next(1, 8)));
                        break;
                    default:
                        text.Insert(at, alphabet[random.Next(alphabet.Length)]);
                        break;
                }

                if (text.Length == 0)
                    text.Append('{');
            }

            byte[] bytes = Encoding.UTF8.GetBytes(text.ToString());
            if (random.Next(10) == 0)
                bytes[random.Next(bytes.Length)] = (byte)random.Next(256);
            requests += ClientRequest.TryParse(bytes, out _) ? 1 : 0;
            answers += GatewayText.TryRead(bytes, out _) ? 1 : 0;
        }

        Assert.InRange(requests, 10_000, 140_000);
        Assert.InRange(answers, 10_000, 140_000);
    }
}
