using System.Text;
using FastExit.NetworkRequester.Protocol;
using Xunit;

namespace FastExit.Tests.NetworkRequester.Protocol;

/// <summary>Vectors V1, V2, V3, V4 of network-requester.md §10.1 and the request rows of §10.2, read and written.</summary>
public sealed class RequestTests
{
    private const ulong Id = 0x0102030405060708;

    private const string ReturnAddressHex =
        "227011b6e106aed8a02948eca05a9c03fa29f335bfb2da35aa0eb9215e9919290652a9bb58f6d33944e1e4e7741d77eb"
        + "a00e9ccd42014bccccdc0e96bfcbae5879ad53dbbca4c2d4eee404803069e05311f6e910ebdf44570d2822badacc7e91";

    [Fact]
    public void V1_LegacyConnect()
    {
        byte[] bytes =
        [
            0, 0, 2, 254, 34, 100, 192, 20, 13, 171, 0, 16, 56, 48, 46, 50, 52, 57, 46, 57, 57, 46, 49, 52, 56, 58, 56, 48,
            34, 112, 17, 182, 225, 6, 174, 216, 160, 41, 72, 236, 160, 90, 156, 3, 250, 41, 243, 53, 191, 178, 218, 53, 170,
            14, 185, 33, 94, 153, 25, 41, 6, 82, 169, 187, 88, 246, 211, 57, 68, 225, 228, 231, 116, 29, 119, 235, 160, 14,
            156, 205, 66, 1, 75, 204, 204, 220, 14, 150, 191, 203, 174, 88, 121, 173, 83, 219, 188, 164, 194, 212, 238, 228,
            4, 128, 48, 105, 224, 83, 17, 246, 233, 16, 235, 223, 68, 87, 13, 40, 34, 186, 218, 204, 126, 145,
        ];
        Assert.Equal(RequestStatus.Ok, Request.TryRead(bytes, out Request request));
        Assert.Equal(RequestKind.Connect, request.Kind);
        Assert.Equal(MessageForm.Legacy, request.Form);
        Assert.Equal(215647648274976171ul, request.ConnectionId);
        Assert.Equal("80.249.99.148:80", Encoding.UTF8.GetString(request.Address));
        Assert.Equal(ReturnAddressHex, Convert.ToHexStringLower(request.ReturnAddress));

        byte[] written = new byte[bytes.Length];
        Assert.True(RequestWriter.TryWriteConnect(
            written, MessageForm.Legacy, request.ConnectionId, request.Address, request.ReturnAddress, out int count));
        Assert.Equal(bytes, written[..count]);
    }

    [Fact]
    public void V2_LegacySend()
    {
        byte[] payload = Encoding.ASCII.GetBytes(
            "GET /1MB.zip HTTP/1.1\r\nHost: ipv4.download.thinkbroadband.com\r\nUser-Agent: curl/7.68.0\r\nAccept: */*\r\n\r\n");
        Assert.Equal(103, payload.Length);
        byte[] bytes = [0, 1, 108, 102, 28, 19, 50, 178, 37, 241, 0, 0, 0, 0, 0, 0, 0, 0, 0, .. payload];
        Assert.Equal(RequestStatus.Ok, Request.TryRead(bytes, out Request request));
        Assert.Equal(RequestKind.Send, request.Kind);
        Assert.Equal(7810961472501196273ul, request.ConnectionId);
        Assert.Equal(0ul, request.Sequence);
        Assert.False(request.Closed);
        Assert.Equal(payload, request.Payload.ToArray());

        byte[] written = new byte[bytes.Length];
        Assert.True(RequestWriter.TryWriteSend(written, MessageForm.Legacy, request.ConnectionId, 0, false, payload, out int count));
        Assert.Equal(bytes, written[..count]);
    }

    [Fact]
    public void V3_HeaderOrderOfRequests()
    {
        byte[] content = Convert.FromHexString("01" + "0606060606060606" + "00" + "0001020304050607" + "FFFFFF");
        Assert.Equal(RequestStatus.Ok, Request.TryReadContent(content, MessageForm.Version3, out Request request));
        Assert.Equal(0x0606060606060606ul, request.ConnectionId);
        Assert.Equal(0x0001020304050607ul, request.Sequence);
        Assert.False(request.Closed);
        Assert.Equal([0xFF, 0xFF, 0xFF], request.Payload.ToArray());
        Assert.Equal(RequestStatus.HeaderTooShort, Request.TryReadContent(content.AsSpan(0, 11), MessageForm.Version3, out _));
        Assert.Equal(RequestStatus.HeaderTooShort, Request.TryReadContent(content.AsSpan(0, 1), MessageForm.Version3, out _));
    }

    [Fact]
    public void V3_RequestAndResponseOrdersAreNotInterchangeable()
    {
        byte[] request = new byte[23];
        Assert.True(RequestWriter.TryWriteSend(request, MessageForm.Version3, 12345, 42, false, [2, 3], out int count));
        Assert.Equal(23, count);
        Assert.Equal(ResponseStatus.Ok, Response.TryRead(request, out Response response));
        Assert.False(response.ConnectionId == 12345 && response.Sequence == 42);

        Assert.True(ResponseWriter.TryWriteNetworkData(request, MessageForm.Version3, 12345, 42, false, [2, 3], out _));
        Assert.Equal(RequestStatus.Ok, Request.TryRead(request, out Request other));
        Assert.False(other.ConnectionId == 12345 && other.Sequence == 42);
    }

    [Theory]
    [InlineData("", RequestStatus.NoData)]
    [InlineData("00 01020304050607", RequestStatus.IdTooShort)]
    [InlineData("00 0102030405060708", RequestStatus.AddressLengthTooShort)]
    [InlineData("00 0102030405060708 00", RequestStatus.AddressLengthTooShort)]
    [InlineData("00 0102030405060708 0001", RequestStatus.AddressTooShort)]
    [InlineData("03", RequestStatus.BadFlag)]
    public void V4_ContentErrors(string hex, RequestStatus expected) =>
        Assert.Equal(expected, Request.TryReadContent(Hex(hex), MessageForm.Version3, out _));

    [Fact]
    public void V4_ReturnAddresses()
    {
        byte[] start = [.. Hex("00 0102030405060708 0007"), .. "foo.com"u8];
        byte[] address = Hex(ReturnAddressHex);
        Assert.Equal(
            RequestStatus.BadReturnAddressSize,
            Request.TryReadContent([.. start, .. address[..40]], MessageForm.Version3, out _));
        Assert.Equal(
            RequestStatus.BadReturnAddressSize,
            Request.TryReadContent([.. start, .. address, 0], MessageForm.Version3, out _));
        Assert.Equal(RequestStatus.Ok, Request.TryReadContent([.. start, .. address], MessageForm.Version3, out Request request));
        Assert.Equal("foo.com", Encoding.UTF8.GetString(request.Address));
        Assert.Equal(Id, request.ConnectionId);
        Assert.Equal(address, request.ReturnAddress.ToArray());
    }

    [Fact]
    public void V4_SendsAndQueries()
    {
        Assert.Equal(RequestStatus.Ok, Request.TryReadContent(Hex("01 0102030405060708 00 0000000000000001"), MessageForm.Version3, out Request open));
        Assert.False(open.Closed);
        Assert.Equal(1ul, open.Sequence);
        Assert.True(open.Payload.IsEmpty);
        Assert.Equal(RequestStatus.Ok, Request.TryReadContent(Hex("01 0102030405060708 01 0000000000000001 FFFFFF"), MessageForm.Version3, out Request closed));
        Assert.True(closed.Closed);
        Assert.Equal([0xFF, 0xFF, 0xFF], closed.Payload.ToArray());
        Assert.Equal(RequestStatus.Ok, Request.TryReadContent([2, 0], MessageForm.Version3, out Request openProxy));
        Assert.Equal(QueryKind.OpenProxy, openProxy.Query);
        Assert.Equal(RequestStatus.Ok, Request.TryReadContent([2, 1], MessageForm.Version3, out Request description));
        Assert.Equal(QueryKind.Description, description.Query);
    }

    [Theory]
    [InlineData(MessageForm.Version3, false, "03010300 0102030405060708 000f 6578616d706c652e636f6d3a343433")]
    [InlineData(MessageForm.Version3, true, "03010300 0102030405060708 000f 6578616d706c652e636f6d3a343433" + ReturnAddressHex)]
    [InlineData(MessageForm.Legacy, false, "0000 0102030405060708 000f 6578616d706c652e636f6d3a343433")]
    public void Connects(MessageForm form, bool exposed, string hex)
    {
        byte[] expected = Hex(hex);
        byte[] address = exposed ? Hex(ReturnAddressHex) : [];
        byte[] written = new byte[200];
        Assert.True(RequestWriter.TryWriteConnect(written, form, Id, "example.com:443"u8, address, out int count));
        Assert.Equal(expected, written[..count]);
        Assert.False(RequestWriter.TryWriteConnect(written.AsSpan(0, count - 1), form, Id, "example.com:443"u8, address, out _));
        Assert.Equal(RequestStatus.Ok, Request.TryRead(expected, out Request request));
        Assert.Equal(form, request.Form);
        Assert.Equal(Id, request.ConnectionId);
        Assert.Equal("example.com:443", Encoding.UTF8.GetString(request.Address));
        Assert.Equal(address, request.ReturnAddress.ToArray());
    }

    [Theory]
    [InlineData(MessageForm.Version3, 0, false, "", "03010301 0102030405060708 00 0000000000000000")]
    [InlineData(MessageForm.Version3, 1, false, "GET", "03010301 0102030405060708 00 0000000000000001 474554")]
    [InlineData(MessageForm.Version3, 2, true, "", "03010301 0102030405060708 01 0000000000000002")]
    [InlineData(MessageForm.Legacy, 1, false, "GET", "0001 0102030405060708 00 0000000000000001 474554")]
    public void Sends(MessageForm form, ulong sequence, bool closed, string payload, string hex)
    {
        byte[] expected = Hex(hex);
        byte[] written = new byte[64];
        Assert.True(RequestWriter.TryWriteSend(written, form, Id, sequence, closed, Encoding.ASCII.GetBytes(payload), out int count));
        Assert.Equal(expected, written[..count]);
        Assert.False(RequestWriter.TryWriteSend(
            written.AsSpan(0, count - 1), form, Id, sequence, closed, Encoding.ASCII.GetBytes(payload), out _));
        Assert.Equal(RequestStatus.Ok, Request.TryRead(expected, out Request request));
        Assert.Equal(RequestKind.Send, request.Kind);
        Assert.Equal(form, request.Form);
        Assert.Equal((sequence, closed), (request.Sequence, request.Closed));
        Assert.Equal(payload, Encoding.ASCII.GetString(request.Payload));
    }

    [Theory]
    [InlineData(MessageForm.Version3, QueryKind.OpenProxy, "0301030200")]
    [InlineData(MessageForm.Version3, QueryKind.Description, "0301030201")]
    [InlineData(MessageForm.Version3, QueryKind.ExitPolicy, "0301030202")]
    [InlineData(MessageForm.Legacy, QueryKind.OpenProxy, "000200")]
    [InlineData(MessageForm.Legacy, QueryKind.Description, "000201")]
    [InlineData(MessageForm.Legacy, QueryKind.ExitPolicy, "000202")]
    public void Queries(MessageForm form, QueryKind query, string hex)
    {
        byte[] written = new byte[8];
        Assert.True(RequestWriter.TryWriteQuery(written, form, query, out int count));
        Assert.Equal(Hex(hex), written[..count]);
        Assert.Equal(RequestStatus.Ok, Request.TryRead(written.AsSpan(0, count), out Request request));
        Assert.Equal((RequestKind.Query, form, query), (request.Kind, request.Form, request.Query));
    }

    [Theory]
    [InlineData(ControlKind.Health, "030000")]
    [InlineData(ControlKind.BinaryInformation, "030001")]
    [InlineData(ControlKind.SupportedVersions, "030002")]
    public void Controls(ControlKind control, string hex)
    {
        byte[] written = new byte[3];
        Assert.True(RequestWriter.TryWriteControl(written, control, out _));
        Assert.Equal(Hex(hex), written);
        Assert.Equal(RequestStatus.Ok, Request.TryRead(written, out Request request));
        Assert.Equal((RequestKind.Control, control), (request.Kind, request.Control));
    }

    [Theory]
    [InlineData("", RequestStatus.Empty)]
    [InlineData("03", RequestStatus.Incomplete)]
    [InlineData("ff", RequestStatus.Incomplete)]
    [InlineData("0302", RequestStatus.BadContentTag)]
    [InlineData("0300", RequestStatus.EmptyControl)]
    [InlineData("0301", RequestStatus.NoData)]
    [InlineData("030103", RequestStatus.NoData)]
    [InlineData("00", RequestStatus.NoData)]
    [InlineData("030003", RequestStatus.BadControlTag)]
    [InlineData("0300000909", RequestStatus.Ok)]
    [InlineData("040000", RequestStatus.Ok)]
    [InlineData("ff0000", RequestStatus.Ok)]
    [InlineData("0301040200", RequestStatus.UnsupportedProtocol)]
    [InlineData("0301000200", RequestStatus.Ok)]
    [InlineData("0301020200", RequestStatus.Ok)]
    [InlineData("010200", RequestStatus.Ok)]
    [InlineData("020200", RequestStatus.Ok)]
    [InlineData("0301030203", RequestStatus.BadQuery)]
    [InlineData("03010302", RequestStatus.BadQuery)]
    [InlineData("030103020000", RequestStatus.TrailingBytes)]
    [InlineData("03010302fb0001", RequestStatus.Ok)]
    [InlineData("03010303", RequestStatus.BadFlag)]
    public void DecoderOddities(string hex, RequestStatus expected) =>
        Assert.Equal(expected, Request.TryRead(Hex(hex), out _));

    [Fact]
    public void LegacyProtocolInsideAnEnvelope()
    {
        Assert.Equal(RequestStatus.Ok, Request.TryRead(Hex("0301020200"), out Request query));
        Assert.Equal(MessageForm.EnvelopedLegacy, query.Form);
        Assert.Equal(RequestStatus.Ok, Request.TryRead(Hex("010200"), out Request legacy));
        Assert.Equal(MessageForm.Legacy, legacy.Form);
        Assert.Equal(RequestStatus.Ok, Request.TryRead(Hex("03010302fb0001"), out Request wide));
        Assert.Equal(QueryKind.Description, wide.Query);
        Assert.Equal(RequestStatus.BadQuery, Request.TryRead(Hex("0301030203"), out Request bad));
        Assert.Equal((RequestKind.Query, MessageForm.Version3), (bad.Kind, bad.Form));
    }

    internal static byte[] Hex(string hex) => Convert.FromHexString(hex.Replace(" ", string.Empty, StringComparison.Ordinal));
}
