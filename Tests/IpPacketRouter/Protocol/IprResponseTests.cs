using System.Text;
using FastExit.IpPacketRouter.Protocol;
using Xunit;

namespace FastExit.Tests.IpPacketRouter.Protocol;

/// <summary>The responses of ip-packet-router.md §10.2 and the bundles of §10.5: what the exit writes, the client reads.</summary>
public sealed class IprResponseTests
{
    private const ulong Id = 0x0123456789abcdef;

    private static readonly AddressPair Pair = new(0x0a001234, ((UInt128)0xfc00_0000_0000_0000 << 64) | 0x1234);

    private delegate bool Write(byte[] destination, out int written);

    [Theory]
    [InlineData(8, "08")]
    [InlineData(9, "09")]
    [InlineData(10, "0a")]
    public void ConnectSuccess(byte version, string start)
    {
        var envelope = new IprEnvelope(version, version == 8 ? 0 : 0x1234ul, 0);
        string hex = (version == 8 ? "" : "03000000000000001234010000000000") + start
            + "0100fd0123456789abcdef000a001234fc000000000000000000000000001234" + (version == 10 ? "fb05dc" : "");
        Check(hex, (byte[] to, out int count) => IprResponseWriter.TryWriteConnectSuccess(to, envelope, Id, Pair, 1500, out count));
        Assert.Equal(IprReadStatus.Ok, IprResponse.TryRead(Convert.FromHexString(hex), out IprResponse response));
        Assert.True(response.Succeeded && response.Pair == Pair && response.RequestId == Id && response.Envelope == envelope);
        Assert.Equal(version == 10 ? (ushort)1500 : null, response.Mtu);
    }

    [Fact]
    public void ConnectSuccessOfAnotherVersionIsMalformed()
    {
        const string Frame = "03000000000000001234010000000000", Body = "0100fd0123456789abcdef000a001234fc000000000000000000000000001234";
        Assert.Equal(IprReadStatus.Malformed, IprResponse.TryRead(Convert.FromHexString(Frame + "0a" + Body), out _));
        Assert.Equal(IprReadStatus.Malformed, IprResponse.TryRead(Convert.FromHexString(Frame + "09" + Body + "fb05dc"), out _));
        Assert.Equal(IprReadStatus.Malformed, IprResponse.TryRead(Convert.FromHexString("08" + Body + "fb05dc"), out _));
        Assert.Equal(
            IprReadStatus.Ok,
            IprResponse.TryRead(Convert.FromHexString(Frame + "0a01002a000a00000200000000000000000000000000000001fb05dc"), out IprResponse response));
        Assert.True(response.Pair == new AddressPair(0x0a000002, 1) && response.RequestId == 42 && response.Mtu == 1500);
    }

    [Theory]
    [InlineData("080100010100", IprConnectFailure.AlreadyConnected, "")]
    [InlineData("080100010101", IprConnectFailure.NoAvailableIp, "")]
    [InlineData("0801000101020178", IprConnectFailure.Other, "x")]
    public void ConnectFailures(string hex, IprConnectFailure reason, string text)
    {
        Check(hex, (byte[] to, out int count) => IprResponseWriter.TryWriteConnectFailure(
            to, IprEnvelope.Raw, 1, reason, Encoding.UTF8.GetBytes(text), out count));
        IprResponse response = Read(hex);
        Assert.True(response.Kind == IprResponseKind.Connect && !response.Succeeded && response.ConnectFailure == reason);
        Assert.Equal(text, Encoding.UTF8.GetString(response.Text));
    }

    [Fact]
    public void Disconnects()
    {
        Check("0801010100", (byte[] to, out int count) => IprResponseWriter.TryWriteDisconnectSuccess(to, IprEnvelope.Raw, 1, out count));
        Check("080101010100", (byte[] to, out int count) => IprResponseWriter.TryWriteDisconnectFailure(
            to, IprEnvelope.Raw, 1, IprDisconnectFailure.NotConnected, default, out count));
        Assert.True(Read("0801010100").Succeeded);
        Assert.False(Read("080101010100").Succeeded);
        Check("08010200", (byte[] to, out int count) => IprResponseWriter.TryWriteUnrequestedDisconnect(
            to, IprEnvelope.Raw, IprDisconnectReason.MixnetTimeout, default, out count));
        Check("0801020203627965", (byte[] to, out int count) => IprResponseWriter.TryWriteUnrequestedDisconnect(
            to, IprEnvelope.Raw, IprDisconnectReason.Other, "bye"u8, out count));
        IprResponse response = Read("0801020203627965");
        Assert.Equal((IprResponseKind.UnrequestedDisconnect, IprDisconnectReason.Other), (response.Kind, response.DisconnectReason));
        Assert.True(response.Text.SequenceEqual("bye"u8));
    }

    [Fact]
    public void PongHealthInfo()
    {
        Check("08010307", (byte[] to, out int count) => IprResponseWriter.TryWritePong(to, IprEnvelope.Raw, 7, out count));
        Assert.Equal((IprResponseKind.Pong, 7ul), (Read("08010307").Kind, Read("08010307").RequestId));

        byte[] texts = new byte[64];
        Assert.True(IprResponseWriter.TryEncodeHealthTexts(texts, ["n", "t", "1", "s", "c", "b", "r", "h", "p", "x"], out int bytes));
        Assert.False(IprResponseWriter.TryEncodeHealthTexts(texts, ["n"], out _));
        const string Health = "08010407016e01740131017301630162017201680170017800";
        Check(Health, (byte[] to, out int count) => IprResponseWriter.TryWriteHealth(
            to, IprEnvelope.Raw, 7, texts.AsSpan(0, bytes), null, out count));
        Assert.True(Read(Health).EncodedHealthTexts.SequenceEqual(texts.AsSpan(0, bytes)) && Read(Health).Routable is null);
        Assert.True(Read(Health[..^2] + "0101").Routable);

        const string Policy = "08010500020a31302e302e302e313a3001";
        Check(Policy, (byte[] to, out int count) => IprResponseWriter.TryWriteInfo(
            to, IprEnvelope.Raw, 0, IprInfoKind.PolicyRefused, IprInfoLevel.Warn, "10.0.0.1:0"u8, out count));
        Assert.True(Read(Policy).InfoKind == IprInfoKind.PolicyRefused && Read(Policy).Level == IprInfoLevel.Warn
            && Read(Policy).Text.SequenceEqual("10.0.0.1:0"u8));
        const string Mismatch = "08010509010b0902";
        Check(Mismatch, (byte[] to, out int count) => IprResponseWriter.TryWriteVersionMismatch(
            to, IprEnvelope.Raw, 9, 11, 9, IprInfoLevel.Error, out count));
        Assert.Equal((11, 9), (Read(Mismatch).MismatchedRequestVersion, Read(Mismatch).MismatchedResponseVersion));
    }

    [Fact]
    public void DataHeadersEndWhereTheBundleStarts()
    {
        byte[] slot = Convert.FromHexString("000000000000" + "0003aabbcc");
        int start = IprResponseWriter.WriteDataHeaderBefore(slot, 6, 5, IprEnvelope.Raw);
        Assert.Equal("0800050003aabbcc", Convert.ToHexStringLower(slot.AsSpan(start)));
        Assert.Equal(-1, IprResponseWriter.WriteDataHeaderBefore(slot, 2, 5, IprEnvelope.Raw));
        Assert.Equal(-1, IprResponseWriter.WriteDataHeaderBefore(slot, 99, 5, IprEnvelope.Raw));
        byte[] message = new byte[2000];
        foreach (byte version in new byte[] { 8, 9, 10 })
        {
            foreach (int bytes in new[] { 0, 1, 250, 251, 1580, 1596 })
            {
                var envelope = new IprEnvelope(version, version == 8 ? 0 : 77ul, version == 8 ? 0 : 3u);
                start = IprResponseWriter.WriteDataHeaderBefore(message, 100, bytes, envelope);
                Assert.Equal(100 - IprResponseWriter.DataHeaderBytes(version, bytes), start);
                Assert.Equal(IprReadStatus.Ok, IprResponse.TryRead(message.AsSpan(start, 100 + bytes - start), out IprResponse response));
                Assert.Equal((envelope, 100 - start, bytes), (response.Envelope, response.BundleOffset, response.BundleBytes));
            }

            Assert.Equal(1601, BundleLimits.Reply(version) + IprResponseWriter.DataHeaderBytes(version, BundleLimits.Reply(version)));
            Assert.True(IprRequestWriter.TryWriteDataHeader(message, new IprEnvelope(version, 1, 1), BundleLimits.Request(version), out int header));
            Assert.Equal(1581, header + BundleLimits.Request(version));
        }
    }

    [Theory]
    [InlineData(new[] { 1400, 1400 }, new[] { 1402, 1402 })]
    [InlineData(new[] { 1000, 1000 }, new[] { 1002, 1002 })]
    [InlineData(new[] { 3000 }, new[] { 3002 })]
    [InlineData(new[] { 1498, 1498 }, new[] { 1500, 1500 })]
    [InlineData(new[] { 5, 5 }, new[] { 14 })]
    public void BundlesByTheReferenceLimit(int[] packets, int[] expected)
    {
        var emitted = new List<int>();
        var bundle = new BundleWriter(new byte[4000], BundleLimits.Reference);
        foreach (int bytes in packets)
        {
            if (bundle.TryAdd(new byte[bytes]) == BundleStep.FlushFirst)
            {
                emitted.Add(bundle.Written);
                bundle.Clear();
                Assert.Equal(BundleStep.Added, bundle.TryAdd(new byte[bytes]));
            }
        }

        emitted.Add(bundle.Written);
        Assert.Equal(expected, emitted);
    }

    [Fact]
    public void BundleBytesAndTails()
    {
        byte[] buffer = new byte[100];
        var bundle = new BundleWriter(buffer, BundleLimits.Reference);
        Assert.Equal(BundleStep.Added, bundle.TryAdd("hello"u8));
        Assert.Equal(BundleStep.Added, bundle.TryAdd("world"u8));
        Assert.Equal("000568656c6c6f0005776f726c64", Convert.ToHexStringLower(buffer, 0, bundle.Written));
        Assert.Equal(BundleStep.TooLarge, bundle.TryAdd(new byte[99]));
        Assert.Equal(BundleStep.TooLarge, bundle.TryAdd(default));

        var reader = new BundleReader(Convert.FromHexString("ff" + "0002aabb" + "0000" + "0001cc" + "0005dd"), 1, 12);
        Assert.True(reader.TryNext(out int offset, out int bytes) && (offset, bytes) == (3, 2));
        Assert.True(reader.TryNext(out offset, out bytes) && (offset, bytes) == (9, 1));
        Assert.False(reader.TryNext(out _, out _));
        Assert.True(reader.Truncated && reader.EmptyPackets == 1);
        var outside = new BundleReader(new byte[4], 2, 3);
        Assert.False(outside.TryNext(out _, out _));
    }

    private static IprResponse Read(string hex)
    {
        Assert.Equal(IprReadStatus.Ok, IprResponse.TryRead(Convert.FromHexString(hex), out IprResponse response));
        Assert.Equal(IprReadStatus.Malformed, IprResponse.TryRead(Convert.FromHexString(hex + "00"), out _));
        return response;
    }

    private static void Check(string hex, Write write)
    {
        byte[] destination = new byte[128];
        Assert.True(write(destination, out int count));
        Assert.Equal(hex, Convert.ToHexStringLower(destination, 0, count));
        for (int room = 0; room < count; room++)
            Assert.False(write(new byte[room], out _));
    }
}
