using System.Text;
using FastExit.Crypto.Primitives;
using FastExit.IpPacketRouter.Protocol;
using FastExit.Serialization;
using Xunit;

namespace FastExit.Tests.IpPacketRouter.Protocol;

/// <summary>Every vector of ip-packet-router.md §10.1 to §10.5, read and written.</summary>
public sealed class IprVectorTests
{
    private const ulong Id = 0x0123456789abcdef, Stream = 0x0123456789abcdef;

    private const string T1 = "fb0fd0010c3b3bfc1dcd6500000000", T2 = "fb0fd488061b3400000000";

    private static readonly IprTimestamp Second = IprTimestamp.FromUtc(new DateTime(2026, 5, 16, 6, 27, 52, DateTimeKind.Utc));

    [Theory]
    [InlineData(250ul, "fa")]
    [InlineData(251ul, "fb00fb")]
    [InlineData(65535ul, "fbffff")]
    [InlineData(65536ul, "fc00010000")]
    [InlineData(1ul << 32, "fd0000000100000000")]
    [InlineData(ulong.MaxValue, "fdffffffffffffffff")]
    public void Varints(ulong value, string hex)
    {
        var reader = new BincodeReader(Hex(hex));
        Assert.True(reader.TryReadVarint(out ulong read) && reader.AtEnd);
        Assert.Equal(value, read);
        byte[] written = new byte[16];
        var writer = new BincodeWriter(written);
        Assert.True(writer.TryWriteVarint(value));
        Assert.Equal(hex, Text(written, writer.Written));
    }

    [Theory]
    [InlineData(2024, "fb0fd0")]
    [InlineData(-1, "01")]
    [InlineData(int.MinValue, "fcffffffff")]
    [InlineData(int.MaxValue, "fcfffffffe")]
    public void SignedIntegers(int value, string hex)
    {
        var reader = new BincodeReader(Hex(hex));
        Assert.True(reader.TryReadInt32(out int read) && reader.AtEnd);
        Assert.Equal(value, read);
        byte[] written = new byte[8];
        var writer = new BincodeWriter(written);
        Assert.True(writer.TryWriteInt32(value));
        Assert.Equal(hex, Text(written, writer.Written));
    }

    [Fact]
    public void BadPrimitives()
    {
        Assert.False(new BincodeReader(Hex("fe00")).TryReadVarint(out _));
        Assert.False(new BincodeReader(Hex("ff00")).TryReadVarint(out _));
        Assert.False(new BincodeReader(Hex("02")).TryReadBool(out _));
        Assert.False(new BincodeReader(Hex("050102")).TryReadBuffer(out _));
        Assert.True(new BincodeReader(Hex("fb0005")).TryReadVarint(out ulong five) && five == 5);
        var trailing = new BincodeReader(Hex("0100"));
        Assert.True(trailing.TryReadByte(out _) && !trailing.AtEnd);
    }

    [Theory]
    [InlineData(T1, 2024, 1, 12, 59, 59, 500_000_000)]
    [InlineData(T2, 2026, 136, 6, 27, 52, 0)]
    public void Timestamps(string hex, int year, int day, int hour, int minute, int second, int nanosecond)
    {
        var reader = new BincodeReader(Hex(hex));
        Assert.True(IprTimestamp.TryRead(ref reader, out IprTimestamp read) && reader.AtEnd);
        Assert.Equal(
            new IprTimestamp(year, (ushort)day, (byte)hour, (byte)minute, (byte)second, (uint)nanosecond, 0, 0, 0), read);
        Assert.True(read.TryToUtc(out DateTime utc));
        Assert.Equal(read, IprTimestamp.FromUtc(utc));
        byte[] written = new byte[32];
        var writer = new BincodeWriter(written);
        Assert.True(read.TryWrite(ref writer));
        Assert.Equal(hex, Text(written, writer.Written));
    }

    [Theory]
    [InlineData("fb0fd0000c3b3b00000000")]
    [InlineData("fb0fd2fb016e0c3b3b00000000")]
    [InlineData("fb0fd001183b3b00000000")]
    [InlineData("fb0fd0010c3c3b00000000")]
    [InlineData("fb0fd0010c3b3c00000000")]
    [InlineData("fb0fd0010c3b3bfc3b9aca00000000")]
    [InlineData("fb0fd0010c3b3b001a0000")]
    [InlineData("fb0fd0010c3b3b00003c00")]
    public void TimestampsOutOfRange(string hex)
    {
        var reader = new BincodeReader(Hex(hex));
        Assert.False(IprTimestamp.TryRead(ref reader, out _));
    }

    [Fact]
    public void Pairs()
    {
        var pair = new AddressPair(0x0a000001, ((UInt128)0xfc00_0000_0000_0000 << 64) | 1);
        byte[] written = new byte[AddressPair.Bytes];
        var writer = new BincodeWriter(written);
        Assert.True(pair.TryWrite(ref writer));
        Assert.Equal("0a000001fc000000000000000000000000000001", Text(written, writer.Written));
        var reader = new BincodeReader(written);
        Assert.True(AddressPair.TryRead(ref reader, out AddressPair read) && read == pair);
    }

    [Theory]
    [InlineData(8)]
    [InlineData(9)]
    [InlineData(10)]
    public void ConnectRequests(byte version)
    {
        var envelope = new IprEnvelope(version, version == 8 ? 0 : Stream, 0);
        string hex = Frame(version) + version.ToString("x2") + "010100fd0123456789abcdef00" + T2;
        byte[] written = new byte[80];
        Assert.True(IprRequestWriter.TryWriteConnect(written, envelope, Id, null, Second, out int count));
        Assert.Equal(hex, Text(written, count));
        Assert.Equal(IprReadStatus.Ok, IprRequest.TryRead(Hex(hex), out IprRequest request));
        Assert.Equal((IprRequestKind.Connect, Id, null, envelope), (request.Kind, request.RequestId, request.BufferTimeoutMilliseconds, request.Envelope));
        for (int length = 0; length < count; length++)
        {
            Assert.False(IprRequestWriter.TryWriteConnect(written.AsSpan(0, length), envelope, Id, null, Second, out _));
            Assert.NotEqual(IprReadStatus.Ok, IprRequest.TryRead(Hex(hex).AsSpan(0, length), out _));
        }

        Assert.Equal(IprReadStatus.Malformed, IprRequest.TryRead(Hex(hex + "00"), out _));
    }

    [Theory]
    [InlineData("08010100010114" + T2, IprRequestKind.Connect, 1, 20)]
    [InlineData("080101007b00" + T1, IprRequestKind.Connect, 123, -1)]
    [InlineData("08010101fd0123456789abcdef" + T2, IprRequestKind.Disconnect, (long)Id, -1)]
    [InlineData("0801010207" + T2, IprRequestKind.Ping, 7, -1)]
    [InlineData("0801010307" + T2, IprRequestKind.Health, 7, -1)]
    public void ControlRequests(string hex, IprRequestKind kind, long id, long timeout)
    {
        Assert.Equal(IprReadStatus.Ok, IprRequest.TryRead(Hex(hex), out IprRequest request));
        Assert.Equal((kind, (ulong)id), (request.Kind, request.RequestId));
        Assert.Equal(timeout < 0 ? null : (ulong)timeout, request.BufferTimeoutMilliseconds);
        var reader = new BincodeReader(Hex(hex.EndsWith(T1, StringComparison.Ordinal) ? T1 : T2));
        Assert.True(IprTimestamp.TryRead(ref reader, out IprTimestamp stamp));
        byte[] written = new byte[64];
        int count;
        Assert.True(kind == IprRequestKind.Connect
            ? IprRequestWriter.TryWriteConnect(written, IprEnvelope.Raw, request.RequestId, request.BufferTimeoutMilliseconds, stamp, out count)
            : IprRequestWriter.TryWriteControl(written, IprEnvelope.Raw, kind, request.RequestId, stamp, out count));
        Assert.Equal(hex, Text(written, count));
    }

    [Theory]
    [InlineData("08010020" + "0101010101010101010101010101010101010101010101010101010101010101", 32)]
    [InlineData("080100050102040205", 5)]
    public void DataRequests(string hex, int bytes)
    {
        Assert.Equal(IprReadStatus.Ok, IprRequest.TryRead(Hex(hex), out IprRequest request));
        Assert.Equal((IprRequestKind.Data, 4, bytes), (request.Kind, request.BundleOffset, request.BundleBytes));
        byte[] written = new byte[8];
        Assert.True(IprRequestWriter.TryWriteDataHeader(written, IprEnvelope.Raw, bytes, out int count));
        Assert.Equal(hex[..8], Text(written, count));
    }

    [Theory]
    [InlineData("", IprReadStatus.TooShort)]
    [InlineData("08", IprReadStatus.TooShort)]
    [InlineData("0800", IprReadStatus.NotIpr)]
    [InlineData("0802", IprReadStatus.NotIpr)]
    [InlineData("0b00", IprReadStatus.NotIpr)]
    [InlineData("0b01", IprReadStatus.UnknownVersion)]
    [InlineData("040101007b00" + T1, IprReadStatus.UnknownVersion)]
    [InlineData("0600", IprReadStatus.LegacyVersion)]
    [InlineData("0700", IprReadStatus.LegacyVersion)]
    [InlineData("0801", IprReadStatus.Malformed)]
    [InlineData("080102", IprReadStatus.Malformed)]
    [InlineData("08010104" + "07" + T2, IprReadStatus.Malformed)]
    [InlineData("08010100" + "0702" + T2, IprReadStatus.Malformed)]
    [InlineData("0901000101", IprReadStatus.WrongTransport)]
    [InlineData("0a01000101", IprReadStatus.WrongTransport)]
    [InlineData("03000000000000001234010000002a00080100", IprReadStatus.WrongTransport)]
    [InlineData("03000000000000001234010000002a00", IprReadStatus.StreamOpen)]
    [InlineData("03000000000000001234000000002a00", IprReadStatus.StreamOpen)]
    [InlineData("0300000000000000123401000000" + "2a0009", IprReadStatus.TooShort)]
    [InlineData("03000000000000001234ff0000002a00080100", IprReadStatus.BadFrame)]
    [InlineData("0000000000000000000000000000000000", IprReadStatus.UnknownVersion)]
    public void RefusedRequests(string hex, IprReadStatus expected) =>
        Assert.Equal(expected, IprRequest.TryRead(Hex(hex), out _));

    [Fact]
    public void UnknownVersionsKeepTheirStream()
    {
        Assert.Equal(IprReadStatus.UnknownVersion, IprRequest.TryRead(Hex("03000000000000001234010000002a000b0100"), out IprRequest request));
        Assert.True(request.IsFramed);
        Assert.Equal(new IprEnvelope(11, 0x1234, 42), request.Envelope);
    }

    [Theory]
    [InlineData("03000011223344556677000000000100aa", 0x0011223344556677ul, StreamMessageType.Open, 1u)]
    [InlineData("03000000000000001234010000002a00080100", 0x1234ul, StreamMessageType.Data, 42u)]
    public void Frames(string hex, ulong stream, StreamMessageType type, uint sequence)
    {
        Assert.True(StreamFrame.TryRead(Hex(hex), out StreamFrame frame));
        Assert.Equal(new StreamFrame(stream, type, sequence), frame);
        byte[] written = new byte[16];
        Assert.True(frame.TryWrite(written));
        Assert.Equal(hex[..32], Text(written, 16));
        Assert.False(frame.TryWrite(written.AsSpan(1)));
    }

    [Fact]
    public void FrameSequencesAndRefusals()
    {
        byte[] bytes = new byte[16];
        foreach (uint sequence in new uint[] { 0, 1, 255, 65535, uint.MaxValue })
        {
            Assert.True(new StreamFrame(5, StreamMessageType.Data, sequence).TryWrite(bytes));
            Assert.True(StreamFrame.TryRead(bytes, out StreamFrame read) && read.Sequence == sequence);
        }

        Assert.Equal(1u, StreamFrame.NextSequence(uint.MaxValue));
        Assert.Equal(1u, StreamFrame.NextSequence(0));
        Assert.False(StreamFrame.TryRead(new byte[5], out _));
        Assert.False(StreamFrame.TryRead(new byte[17], out _));
        Assert.False(StreamFrame.IsFrame(Hex("0900010203")));
        Assert.False(StreamFrame.IsFrame(Hex("0001")));
    }

    [Fact]
    public void LegacySignedConnect()
    {
        string signed = "7b60" + "8a88e3dd7409f195fd52db2d3cba5d72ca6709bf1d94121bf3748801b40f6f5c"
            + "5dfedd3b6bd47f6fa28ee15d969d5bb0ea53774d488bdaf9df1c6e0124b3ef22"
            + "8139770ea87d175f56a35466c34c7ecccb8d8a91b4ee37a25df60f5b8fc9b394" + "000000" + T2;
        string signature = "699cf15f8439ceaa054ad935ae4ca8fc5da1470a638414d7e1d34d70e5ec0efc"
            + "d83a56a8fae38d41b3691fe790cc6c8035b97606c732213914e89e5e19a1520b";
        byte[] message = Hex("0701" + signed + "0140" + signature);
        Assert.Equal(180, message.Length);
        Assert.Equal(IprReadStatus.Ok, LegacyIprRequest.TryRead(message, out LegacyIprRequest request));
        Assert.Equal((LegacyIprRequestKind.DynamicConnect, 123ul), (request.Kind, request.RequestId));
        Assert.Equal(signed, Convert.ToHexStringLower(request.SignedBytes));
        Assert.True(request.Timestamp.TryToUtc(out DateTime sent));
        Assert.Equal(LegacySignatureStatus.Valid, request.CheckSignature(sent.AddSeconds(10)));
        Assert.Equal(LegacySignatureStatus.Stale, request.CheckSignature(sent.AddSeconds(11)));
        Assert.Equal(LegacySignatureStatus.Valid, request.CheckSignature(sent.AddDays(-1)));
        message[^1] ^= 1;
        Assert.Equal(IprReadStatus.Ok, LegacyIprRequest.TryRead(message, out request));
        Assert.Equal(LegacySignatureStatus.Invalid, request.CheckSignature(sent));
        Assert.Equal(signature, Convert.ToHexStringLower(Ed25519.Sign(Hex(string.Concat(Enumerable.Repeat("01", 32))), Hex(signed))));
    }

    private const string R = "b2849e728e3eb226d2d864963f8ca9f5ec81c92558a9f263bdbea29d34edf8a0"
        + "7d7e8a80c987c261bd435fda2099b1d714cc6c46f404b54b82c2fc92a67e6612"
        + "e371277338835b77367d464fc87d5cbe735b44c29cca0ae3633ca54d92733e99";

    private const string TunnelPair = "0a000001fc000000000000000000000000000001";

    [Theory]
    [InlineData(6, "04007b" + TunnelPair + "60" + R + "000000", 123, LegacyIprRequestKind.StaticConnect)]
    [InlineData(6, "0403050102040205", 8, LegacyIprRequestKind.Data)]
    [InlineData(6, "06017b60" + R + "000000", 103, LegacyIprRequestKind.DynamicConnect)]
    [InlineData(6, "06027b60" + R, 100, LegacyIprRequestKind.Disconnect)]
    [InlineData(6, "06047b60" + R, 100, LegacyIprRequestKind.Ping)]
    [InlineData(6, "06057b60" + R, 100, LegacyIprRequestKind.Health)]
    [InlineData(7, "04007b" + TunnelPair + "60" + R + "000000" + T1 + "00", 139, LegacyIprRequestKind.StaticConnect)]
    [InlineData(7, "07027b60" + R + T1 + "00", 116, LegacyIprRequestKind.Disconnect)]
    [InlineData(7, "07047b60" + R + T1, 115, LegacyIprRequestKind.Ping)]
    public void LegacyRequests(byte shape, string hex, int bytes, LegacyIprRequestKind kind)
    {
        byte[] message = Hex(hex);
        Assert.Equal(bytes, message.Length);
        Assert.True(LegacyIprRequest.TryReadBody(message, shape, out LegacyIprRequest request));
        Assert.Equal(kind, request.Kind);
        Assert.False(LegacyIprRequest.TryReadBody([.. message, 0], shape, out _));
        Assert.False(LegacyIprRequest.TryReadBody(message.AsSpan(0, bytes - 1), shape, out _));
        if (kind == LegacyIprRequestKind.Data)
            return;
        Assert.Equal(R, Convert.ToHexStringLower(request.Sender));
        Assert.Equal(
            shape == 7 && kind <= LegacyIprRequestKind.Disconnect ? LegacySignatureStatus.Missing : LegacySignatureStatus.Unsigned,
            request.CheckSignature(DateTime.UnixEpoch));
    }

    private static string Frame(byte version) => version == 8 ? "" : "03000123456789abcdef010000000000";

    private static byte[] Hex(string hex) => Convert.FromHexString(hex);

    private static string Text(byte[] bytes, int count) => Convert.ToHexStringLower(bytes, 0, count);
}
