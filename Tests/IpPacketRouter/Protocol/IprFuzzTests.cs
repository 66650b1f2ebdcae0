using FastExit.Crypto.EndToEnd;
using FastExit.IpPacketRouter.Protocol;
using FastExit.Serialization;
using FastExit.Tests.Crypto.EndToEnd;
using Xunit;

namespace FastExit.Tests.IpPacketRouter.Protocol;

/// <summary>
/// A million messages for each reader, grown from good ones: none throws, what is accepted lies inside the message and says the same
/// again after it was written and read once more, and both outcomes have their share.
/// </summary>
public sealed class IprFuzzTests
{
    private const string T1 = "fb0fd0010c3b3bfc1dcd6500000000", T2 = "fb0fd488061b3400000000";

    private const string Frame = "03000123456789abcdef010000002a";

    private static readonly byte[][] Requests = Seeds(
        "01", "00030001aa", "000a0003aabbcc0003aabbcc", "0000", "0100fd0123456789abcdef00" + T2, "01000101fb0014" + T2,
        "010109" + T1, "010207" + T2, "010307" + T1);

    private static readonly byte[][] Responses = Seeds(
        "", "00030001aa", "0000", "0100fd0123456789abcdef000a001234fc000000000000000000000000001234",
        "01002a000a00000200000000000000000000000000000001fb05dc", "0100010101", "01000101020178", "01010100", "0101010100",
        "010200", "01020203627965", "010307", "010407016e01740131017301630162017201680170017800", "0105000205312e323a3001",
        "010509010b0902");

    private delegate void Reader(Random random, byte[] message, int length, ref int accepted);

    [Fact]
    public void RequestsRoundTrip()
    {
        int accepted = Run(11, Requests, (Random _, byte[] message, int length, ref int count) =>
        {
            if (IprRequest.TryRead(message.AsSpan(0, length), out IprRequest read) != IprReadStatus.Ok)
                return;
            count++;
            Span<byte> written = stackalloc byte[256];
            var stamp = IprTimestamp.FromUtc(DateTime.UnixEpoch);
            bool fits = read.Kind switch
            {
                IprRequestKind.Data => IprRequestWriter.TryWriteDataHeader(written, read.Envelope, read.BundleBytes, out length),
                IprRequestKind.Connect => IprRequestWriter.TryWriteConnect(
                    written, read.Envelope, read.RequestId, read.BufferTimeoutMilliseconds, stamp, out length),
                _ => IprRequestWriter.TryWriteControl(written, read.Envelope, read.Kind, read.RequestId, stamp, out length),
            };
            bool inside = read.BundleOffset >= 0 && read.BundleBytes >= 0 && read.BundleOffset + read.BundleBytes <= message.Length;
            if (read.Kind == IprRequestKind.Data)
            {
                message.AsSpan(read.BundleOffset, read.BundleBytes).CopyTo(written[length..]);
                length += read.BundleBytes;
            }

            bool again = IprRequest.TryRead(written[..length], out IprRequest other) == IprReadStatus.Ok;
            if (!fits || !inside || !again || other.Kind != read.Kind || other.Envelope != read.Envelope
                || other.RequestId != read.RequestId || other.BundleBytes != read.BundleBytes
                || other.BufferTimeoutMilliseconds != read.BufferTimeoutMilliseconds)
                Assert.Fail(Convert.ToHexString(message));
        });
        AssertShares(accepted);
    }

    [Fact]
    public void ResponsesRoundTrip()
    {
        int accepted = Run(12, Responses, (Random _, byte[] message, int length, ref int count) =>
        {
            if (IprResponse.TryRead(message.AsSpan(0, length), out IprResponse read) != IprReadStatus.Ok)
                return;
            count++;
            byte[] written = new byte[256];
            bool fits = Write(read, message, written, out int start, out int bytes);
            bool again = IprResponse.TryRead(written.AsSpan(start, bytes), out IprResponse other) == IprReadStatus.Ok;
            if (!fits || !again || other.Kind != read.Kind || other.Envelope != read.Envelope || other.RequestId != read.RequestId
                || other.Succeeded != read.Succeeded || other.Pair != read.Pair || other.Mtu != read.Mtu || other.Reason != read.Reason
                || other.Level != read.Level || other.Routable != read.Routable || other.BundleBytes != read.BundleBytes
                || !other.Text.SequenceEqual(read.Text) || !other.EncodedHealthTexts.SequenceEqual(read.EncodedHealthTexts))
                Assert.Fail(Convert.ToHexString(message));
        });
        AssertShares(accepted);
    }

    [Fact]
    public void LegacyRequestsStayInside()
    {
        string sender = "60b2849e728e3eb226d2d864963f8ca9f5ec81c92558a9f263bdbea29d34edf8a07d7e8a80c987c261bd435fda2099b1d714cc6c46f404"
            + "b54b82c2fc92a67e6612e371277338835b77367d464fc87d5cbe735b44c29cca0ae3633ca54d92733e99";
        byte[][] seeds = [.. new[]
        {
            "0603050102040205", "07030400010203", "06017b" + sender + "000000", "07027b" + sender + T1 + "00",
            "07047b" + sender + T1, "06007b0a000001fc000000000000000000000000000001" + sender + "000000",
        }.Select(Convert.FromHexString)];
        int accepted = Run(13, seeds, (Random random, byte[] message, int length, ref int count) =>
        {
            // A whole sender costs two point checks; most inputs are cut before it or are data.
            if (length > 90 && random.Next(16) != 0)
                length = 90;
            if (LegacyIprRequest.TryRead(message.AsSpan(0, length), out LegacyIprRequest read) != IprReadStatus.Ok)
                return;
            count++;
            bool data = read.Kind == LegacyIprRequestKind.Data;
            if (data ? read.BundleOffset + read.BundleBytes != length : read.Sender.Length != Recipient.Bytes)
                Assert.Fail(Convert.ToHexString(message));
        });
        Assert.InRange(accepted, 20_000, 900_000);
    }

    [Fact]
    public void FramesRoundTrip()
    {
        int accepted = Run(14, [Convert.FromHexString(Frame + "0009010000")], (Random _, byte[] message, int length, ref int count) =>
        {
            if (!StreamFrame.TryRead(message.AsSpan(0, length), out StreamFrame read))
                return;
            count++;
            byte[] written = new byte[StreamFrame.HeaderBytes];
            if (!read.TryWrite(written) || !written.AsSpan(0, 15).SequenceEqual(message.AsSpan(0, 15)))
                Assert.Fail(Convert.ToHexString(message));
        });
        AssertShares(accepted);
    }

    [Fact]
    public void TimestampsRoundTrip()
    {
        int accepted = Run(15, [Convert.FromHexString(T1), Convert.FromHexString(T2)], (Random random, byte[] message, int length, ref int count) =>
        {
            var reader = new BincodeReader(message.AsSpan(0, length));
            if (!IprTimestamp.TryRead(ref reader, out IprTimestamp read))
                return;
            count++;
            Span<byte> written = stackalloc byte[32];
            var writer = new BincodeWriter(written);
            bool fits = read.TryWrite(ref writer);
            var second = new BincodeReader(written[..writer.Written]);
            read.TryToUtc(out _);
            if (!fits || !IprTimestamp.TryRead(ref second, out IprTimestamp again) || again != read || !second.AtEnd)
                Assert.Fail(Convert.ToHexString(message));
        });
        AssertShares(accepted);
    }

    [Fact]
    public void BundlesAgreeWithASecondReading()
    {
        byte[][] seeds = [.. new[] { "0001aa0002bbcc0000", "0003aabbcc", "000000000001aa0001bb", "00" }.Select(Convert.FromHexString)];
        int clean = Run(16, seeds, (Random random, byte[] message, int length, ref int count) =>
        {
            int start = random.Next(3);
            var reader = new BundleReader(message, start, length);
            int at = start, end = start + length, empty = 0;
            if (end > message.Length)
                at = end = 0;
            while (end - at >= 2)
            {
                int bytes = (message[at] << 8) | message[at + 1];
                if (at + 2 + bytes > end)
                    break;
                if (bytes == 0)
                    empty++;
                else if (!reader.TryNext(out int offset, out int read) || offset != at + 2 || read != bytes)
                    Assert.Fail(Convert.ToHexString(message));
                at += 2 + bytes;
            }

            if (reader.TryNext(out _, out _) || reader.EmptyPackets != empty || reader.Truncated != (at < end))
                Assert.Fail(Convert.ToHexString(message));
            count += reader.Truncated ? 0 : 1;
        });
        AssertShares(clean);
    }

    [Fact]
    public void NothingIsAllocated()
    {
        byte[] slot = new byte[400];
        var envelope = new IprEnvelope(10, 7, 9);
        var stamp = IprTimestamp.FromUtc(DateTime.UnixEpoch);
        Allocation.AssertNone(() =>
        {
            foreach (byte[] seed in Requests)
                IprRequest.TryRead(seed, out _);
            foreach (byte[] seed in Responses)
                IprResponse.TryRead(seed, out _);
            IprRequestWriter.TryWriteConnect(slot, envelope, 1, 2, stamp, out _);
            IprResponseWriter.TryWriteConnectSuccess(slot, envelope, 1, new AddressPair(1, 2), 1500, out _);
            IprResponseWriter.TryWriteInfo(slot, envelope, 0, IprInfoKind.PolicyRefused, IprInfoLevel.Warn, "1.2.3.4:5"u8, out _);
            IprResponseWriter.WriteDataHeaderBefore(slot, 100, 300, envelope);
            var bundle = new BundleWriter(slot, 300);
            bundle.TryAdd("abc"u8);
            var reader = new BundleReader(slot, 0, bundle.Written);
            while (reader.TryNext(out _, out _))
                continue;
        });
    }

    private static bool Write(in IprResponse read, byte[] message, byte[] to, out int start, out int bytes)
    {
        start = 0;
        IprEnvelope envelope = read.Envelope;
        switch (read.Kind)
        {
            case IprResponseKind.Data:
                message.AsSpan(read.BundleOffset, read.BundleBytes).CopyTo(to.AsSpan(64));
                start = IprResponseWriter.WriteDataHeaderBefore(to, 64, read.BundleBytes, envelope);
                bytes = 64 - start + read.BundleBytes;
                return start >= 0;
            case IprResponseKind.Connect when read.Succeeded:
                return IprResponseWriter.TryWriteConnectSuccess(to, envelope, read.RequestId, read.Pair, read.Mtu ?? 0, out bytes);
            case IprResponseKind.Connect:
                return IprResponseWriter.TryWriteConnectFailure(to, envelope, read.RequestId, read.ConnectFailure, read.Text, out bytes);
            case IprResponseKind.Disconnect when read.Succeeded:
                return IprResponseWriter.TryWriteDisconnectSuccess(to, envelope, read.RequestId, out bytes);
            case IprResponseKind.Disconnect:
                return IprResponseWriter.TryWriteDisconnectFailure(
                    to, envelope, read.RequestId, read.DisconnectFailure, read.Text, out bytes);
            case IprResponseKind.UnrequestedDisconnect:
                return IprResponseWriter.TryWriteUnrequestedDisconnect(to, envelope, read.DisconnectReason, read.Text, out bytes);
            case IprResponseKind.Pong:
                return IprResponseWriter.TryWritePong(to, envelope, read.RequestId, out bytes);
            case IprResponseKind.Health:
                return IprResponseWriter.TryWriteHealth(
                    to, envelope, read.RequestId, read.EncodedHealthTexts, read.Routable, out bytes);
            default:
                return read.InfoKind == IprInfoKind.VersionMismatch
                    ? IprResponseWriter.TryWriteVersionMismatch(
                        to, envelope, read.RequestId, read.MismatchedRequestVersion, read.MismatchedResponseVersion, read.Level, out bytes)
                    : IprResponseWriter.TryWriteInfo(to, envelope, read.RequestId, read.InfoKind, read.Level, read.Text, out bytes);
        }
    }

    private static void AssertShares(int accepted) =>
        Assert.InRange(accepted, GeneratedInputs.Count / 50, GeneratedInputs.Count * 49 / 50);

    // Each body behind every version: raw for 8, in a frame for the others. Requests name their service between the two.
    private static byte[][] Seeds(string service, params string[] bodies) =>
    [
        .. from body in bodies
           from version in new[] { "08", Frame + "0009", Frame + "000a" }
           select Convert.FromHexString(version + service + body),
    ];

    private static int Run(int seed, byte[][] seeds, Reader reader) => GeneratedInputs.Accepted(seed, (random, inputs) =>
    {
        byte[] message = new byte[256];
        int accepted = 0;
        for (int input = 0; input < inputs; input++)
            reader(random, message, Mutate(random, seeds, message), ref accepted);
        return accepted;
    });

    private static int Mutate(Random random, byte[][] seeds, byte[] message)
    {
        if (random.Next(8) == 0)
        {
            int noise = random.Next(64);
            random.NextBytes(message.AsSpan(0, noise));
            return noise;
        }

        byte[] seed = seeds[random.Next(seeds.Length)];
        seed.CopyTo(message, 0);
        int length = seed.Length;
        for (int changes = random.Next(4); changes > 0 && length > 0; changes--)
        {
            int at = random.Next(length);
            switch (random.Next(6))
            {
                case 0:
                    length = at;
                    break;
                case 1:
                    message[length++] = (byte)random.Next(3);
                    break;
                case 2:
                    message[at] = (byte)random.Next(0xf9, 0x100);
                    break;
                case 3:
                    message[at] ^= (byte)(1 << random.Next(8));
                    break;
                case 4:
                    message[at] = (byte)random.Next(12);
                    break;
                default:
                    message[at] = (byte)random.Next(256);
                    break;
            }
        }

        return length;
    }
}
