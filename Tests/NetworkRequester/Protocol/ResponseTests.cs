using System.Text;
using FastExit.NetworkRequester.Protocol;
using Xunit;
using static FastExit.Tests.NetworkRequester.Protocol.RequestTests;

namespace FastExit.Tests.NetworkRequester.Protocol;

/// <summary>Vectors V3, V5, V6 of network-requester.md §10.1 and the response rows of §10.2, read and written.</summary>
public sealed class ResponseTests
{
    private const ulong Id = 0x0102030405060708;
    private const string DefaultUpstream = "https://nymtech.net/.wellknown/network-requester/exit-policy.txt";

    [Fact]
    public void V3_HeaderOrderOfResponses()
    {
        byte[] content = Hex("01 00 0606060606060606 0001020304050607 FFFFFF");
        Assert.Equal(ResponseStatus.Ok, Response.TryReadContent(content, MessageForm.Version3, out Response response));
        Assert.Equal(0x0606060606060606ul, response.ConnectionId);
        Assert.Equal(0x0001020304050607ul, response.Sequence);
        Assert.False(response.Closed);
        Assert.Equal([0xFF, 0xFF, 0xFF], response.Payload.ToArray());
        Assert.Equal(ResponseStatus.HeaderTooShort, Response.TryReadContent(content.AsSpan(0, 11), MessageForm.Version3, out _));
        Assert.Equal(ResponseStatus.HeaderTooShort, Response.TryReadContent(content.AsSpan(0, 1), MessageForm.Version3, out _));
    }

    [Theory]
    [InlineData(MessageForm.Version3, 0, false, "", "03010301 00 0102030405060708 0000000000000000")]
    [InlineData(MessageForm.Version3, 1, false, "HTTP", "03010301 00 0102030405060708 0000000000000001 48545450")]
    [InlineData(MessageForm.Version3, 2, true, "", "03010301 01 0102030405060708 0000000000000002")]
    [InlineData(MessageForm.Version3, 0, true, "", "03010301 01 0102030405060708 0000000000000000")]
    [InlineData(MessageForm.Legacy, 0, true, "", "01 01 0102030405060708 0000000000000000")]
    [InlineData(MessageForm.EnvelopedLegacy, 0, true, "", "0301 01 01 0102030405060708 0000000000000000")]
    public void NetworkData(MessageForm form, ulong sequence, bool closed, string payload, string hex)
    {
        byte[] expected = Hex(hex);
        byte[] written = new byte[64];
        Assert.True(ResponseWriter.TryWriteNetworkData(written, form, Id, sequence, closed, Encoding.ASCII.GetBytes(payload), out int count));
        Assert.Equal(expected, written[..count]);
        Assert.Equal(count - payload.Length, MessageSizes.NetworkDataHeaderBytes(form));
        Assert.False(ResponseWriter.TryWriteNetworkData(
            written.AsSpan(0, count - 1), form, Id, sequence, closed, Encoding.ASCII.GetBytes(payload), out _));
        Assert.Equal(ResponseStatus.Ok, Response.TryRead(expected, out Response response));
        Assert.Equal(ResponseKind.NetworkData, response.Kind);
        Assert.Equal(form, response.Form);
        Assert.Equal((Id, sequence, closed), (response.ConnectionId, response.Sequence, response.Closed));
        Assert.Equal(payload, Encoding.ASCII.GetString(response.Payload));
    }

    [Theory]
    [InlineData(MessageForm.Version3, "03010302 0102030405060708")]
    [InlineData(MessageForm.Legacy, "02 0102030405060708")]
    public void ConnectionErrors(MessageForm form, string headerHex)
    {
        byte[] text = Encoding.UTF8.GetBytes("Domain \"example.com:25\" failed filter check");
        byte[] expected = [.. Hex(headerHex), .. text];
        byte[] written = new byte[64];
        Assert.True(ResponseWriter.TryWriteConnectionError(written, form, Id, text, out int count));
        Assert.Equal(expected, written[..count]);
        Assert.Equal(ResponseStatus.Ok, Response.TryRead(expected, out Response response));
        Assert.Equal(ResponseKind.ConnectionError, response.Kind);
        Assert.Equal(text, response.Text.ToArray());
        Assert.Equal(ConnectFailure.Denied, ConnectFailureText.Parse(response.Text));
    }

    [Fact]
    public void V6_ConnectionErrorBodies()
    {
        byte[] written = new byte[64];
        Assert.True(ResponseWriter.TryWriteConnectionError(written, MessageForm.Version3, 42, "This is a test msg"u8, out int count));
        Assert.Equal(ResponseStatus.Ok, Response.TryRead(written.AsSpan(0, count), out Response response));
        Assert.Equal(42ul, response.ConnectionId);
        Assert.Equal("This is a test msg", Encoding.UTF8.GetString(response.Text));
        Assert.True(response.HasValidText);
        Assert.Equal(ResponseStatus.NoData, Response.TryReadContent([2], MessageForm.Version3, out _));
        Assert.Equal(ResponseStatus.IdTooShort, Response.TryReadContent([2, 1, 2, 3, 4, 5], MessageForm.Version3, out _));
        Assert.Equal(
            ResponseStatus.Ok,
            Response.TryReadContent([2, 0, 0, 0, 0, 0, 0, 0, 42, 0, 159, 146, 150], MessageForm.Version3, out Response invalid));
        Assert.False(invalid.HasValidText);
    }

    [Fact]
    public void V5_QueryResponses()
    {
        Assert.Equal(ResponseStatus.Ok, Response.TryReadContent([3, 0, 1], MessageForm.Version3, out Response open));
        Assert.Equal((QueryKind.OpenProxy, true), (open.Query, open.Enabled));
        Assert.Equal(ResponseStatus.Ok, Response.TryReadContent([3, 1, 3, 102, 111, 111], MessageForm.Version3, out Response description));
        Assert.Equal("foo", Encoding.UTF8.GetString(description.Text));
        byte[] error = [3, 3, 16, 116, 104, 105, 115, 32, 105, 115, 32, 97, 110, 32, 101, 114, 114, 111, 114];
        Assert.Equal(ResponseStatus.Ok, Response.TryReadContent(error, MessageForm.Version3, out Response failed));
        Assert.Equal((QueryKind.Error, "this is an error"), (failed.Query, Encoding.UTF8.GetString(failed.Text)));
        byte[] policy =
            [3, 2, 0, 14, 104, 116, 116, 112, 58, 47, 47, 102, 111, 111, 46, 98, 97, 114, 1, 1, 0, 1, 42, 1, 251, 255, 255];
        Assert.Equal(ResponseStatus.Ok, Response.TryReadContent(policy, MessageForm.Version3, out Response exit));
        Assert.Equal((QueryKind.ExitPolicy, false, true, 1), (exit.Query, exit.Enabled, exit.HasPolicy, exit.Policy.Count));
        Assert.Equal("http://foo.bar", Encoding.UTF8.GetString(exit.Upstream));
        Assert.Equal([new ExitPolicyEntry(ExitPolicyAction.Accept, "*", 1, 65535)], Entries(exit));

        byte[] written = new byte[64];
        Assert.True(ResponseWriter.TryWriteExitPolicy(
            written, false, "http://foo.bar", [new ExitPolicyEntry(ExitPolicyAction.Accept, "*", 1, 65535)], out int count));
        Assert.Equal([3, 1, 3, .. policy], written[..count]);
        Assert.True(ResponseWriter.TryWriteQueryError(written, "this is an error"u8, out count));
        Assert.Equal([3, 1, 3, .. error], written[..count]);
    }

    [Fact]
    public void QueryResponsesOfTheReference()
    {
        byte[] written = new byte[256];
        Assert.True(ResponseWriter.TryWriteOpenProxy(written, false, out int count));
        Assert.Equal(Hex("030103030000"), written[..count]);
        Assert.True(ResponseWriter.TryWriteOpenProxy(written, true, out count));
        Assert.Equal(Hex("030103030001"), written[..count]);
        Assert.True(ResponseWriter.TryWriteDescription(written, "Description (placeholder)"u8, out count));
        Assert.Equal(Hex("0301030301194465736372697074696f6e2028706c616365686f6c64657229"), written[..count]);
        Assert.True(ResponseWriter.TryWriteExitPolicy(written, true, string.Empty, null, out count));
        Assert.Equal(Hex("0301030302010000"), written[..count]);

        byte[] expected = Hex(
            "030103030201 40 68747470733a2f2f6e796d746563682e6e65742f2e77656c6c6b6e6f776e2f6e6574776f726b2d7265717565737465722f657869742d706f6c6963792e747874 01 08"
            + "01 0d352e3138382e31302e302f3233 01 fbffff 00 012a 50 51 02 022a36 fb01bb fb01bb 03 08666330303a3a2f37 01 fbffff"
            + "00 012a fa fa 00 012a fb00fb fb00fb 00 012a 00 00 01 012a 01 fbffff");
        Assert.Equal(147, expected.Length);
        ExitPolicyEntry[] rules =
        [
            new(ExitPolicyAction.Reject, "5.188.10.0/23", 1, 65535),
            new(ExitPolicyAction.Accept, "*", 80, 81),
            new(ExitPolicyAction.Accept6, "*6", 443, 443),
            new(ExitPolicyAction.Reject6, "fc00::/7", 1, 65535),
            new(ExitPolicyAction.Accept, "*", 250, 250),
            new(ExitPolicyAction.Accept, "*", 251, 251),
            new(ExitPolicyAction.Accept, "*", 0, 0),
            new(ExitPolicyAction.Reject, "*", 1, 65535),
        ];
        Assert.True(ResponseWriter.TryWriteExitPolicy(written, true, DefaultUpstream, rules, out count));
        Assert.Equal(expected, written[..count]);
        for (int size = 0; size < count; size++)
            Assert.False(ResponseWriter.TryWriteExitPolicy(written.AsSpan(0, size), true, DefaultUpstream, rules, out _));
        Assert.Equal(ResponseStatus.Ok, Response.TryRead(expected, out Response response));
        Assert.Equal(rules, Entries(response));
        for (int size = 0; size < expected.Length; size++)
            Assert.NotEqual(ResponseStatus.Ok, Response.TryRead(expected.AsSpan(0, size), out _));
    }

    [Theory]
    [InlineData("0001", ResponseStatus.BadFlag)]
    [InlineData("030109030001", ResponseStatus.Ok)]
    [InlineData("03030001", ResponseStatus.BadContentTag)]
    [InlineData("", ResponseStatus.Empty)]
    [InlineData("03", ResponseStatus.Incomplete)]
    [InlineData("0301", ResponseStatus.NoData)]
    [InlineData("030103", ResponseStatus.NoData)]
    [InlineData("0300", ResponseStatus.EmptyControl)]
    [InlineData("030003", ResponseStatus.BadControlTag)]
    [InlineData("030000", ResponseStatus.Ok)]
    [InlineData("03010303", ResponseStatus.BadQuery)]
    [InlineData("030103030002", ResponseStatus.BadQuery)]
    [InlineData("03010303000100", ResponseStatus.TrailingBytes)]
    public void DecoderOddities(string hex, ResponseStatus expected) =>
        Assert.Equal(expected, Response.TryRead(Hex(hex), out _));

    [Fact]
    public void SupportedVersionsAnswer()
    {
        byte[] written = new byte[160];
        Assert.True(ResponseWriter.TryWriteControl(written, ControlKind.SupportedVersions, SupportedVersions.OwnJson, out int count));
        Assert.Equal(125, count);
        Assert.Equal(ResponseStatus.Ok, Response.TryRead(written.AsSpan(0, count), out Response response));
        Assert.True(SupportedVersions.TryParse(response.Text, out SupportedVersions versions));
        Assert.Equal(new SupportedVersions(3, 3), versions);
        Assert.True(SupportedVersions.TryParse(
            """{"interface_version":"{\"type\":\"Legacy\"}","provider_version":"{\"type\":\"Versioned\",\"version\":4}"}"""u8, out versions));
        Assert.Equal(new SupportedVersions(null, 4), versions);
        Assert.False(SupportedVersions.TryParse("{}"u8, out _));
    }

    [Fact]
    public void BinaryInformationAnswer()
    {
        BinaryInformation own = BinaryInformation.Of(typeof(Request).Assembly);
        Assert.Equal("nym-network-requester", own.BinaryName);
        byte[] json = own.ToJson();
        Assert.True(BinaryInformation.TryParse(json, out BinaryInformation read));
        Assert.Equal(own, read);
        string[] names =
        [
            "binary_name", "build_timestamp", "build_version", "commit_sha", "commit_timestamp", "commit_branch", "rustc_version",
            "rustc_channel", "cargo_profile", "cargo_triple",
        ];
        string text = Encoding.UTF8.GetString(json);
        foreach (string name in names)
        {
            Assert.Contains($"\"{name}\":\"", text, StringComparison.Ordinal);
            byte[] without = Encoding.UTF8.GetBytes(text.Replace($"\"{name}\"", "\"x\"", StringComparison.Ordinal));
            Assert.False(BinaryInformation.TryParse(without, out _));
        }
    }

    [Fact]
    public void FailuresSurviveTheirText()
    {
        foreach (ConnectFailure failure in Enum.GetValues<ConnectFailure>())
        {
            ReadOnlySpan<byte> text = ConnectFailureText.For(failure);
            Assert.InRange(text.Length, 1, ConnectFailureText.MaximumBytes);
            Assert.Equal(failure, ConnectFailureText.Parse(text));
        }

        Assert.Equal(ConnectFailure.Unknown, ConnectFailureText.Parse("refusedly so"u8));
        Assert.Equal(ConnectFailure.Unknown, ConnectFailureText.Parse([]));
    }

    private static List<ExitPolicyEntry> Entries(Response response)
    {
        var entries = new List<ExitPolicyEntry>();
        foreach (ExitPolicyEntryView entry in response.Policy)
            entries.Add(new ExitPolicyEntry(entry.Action, Encoding.UTF8.GetString(entry.Pattern), entry.FirstPort, entry.LastPort));
        return entries;
    }
}
