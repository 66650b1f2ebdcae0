using FastExit.NetworkRequester.Protocol;
using FastExit.Serialization;
using Xunit;

namespace FastExit.Tests.NetworkRequester.Protocol;

/// <summary>
/// Random and mutated messages: a reader never throws, its spans lie inside the message, and what it accepts says the same again
/// after it was written and read once more.
/// </summary>
public sealed class ProtocolFuzzTests
{
    private const int Inputs = 1_000_000;

    [Fact]
    public void RequestsNeverThrowAndRoundTrip()
    {
        var random = new Random(1);
        byte[][] seeds = RequestSeeds();
        byte[] message = new byte[256];
        byte[] written = new byte[512];
        var seen = new int[Enum.GetValues<RequestStatus>().Length];
        for (int i = 0; i < Inputs; i++)
        {
            int length = Mutate(random, seeds, message);
            RequestStatus status = Request.TryRead(message.AsSpan(0, length), out Request request);
            seen[(int)status]++;
            if (status != RequestStatus.Ok)
                continue;
            int count = 0;
            bool fits = request.Kind switch
            {
                RequestKind.Connect => RequestWriter.TryWriteConnect(
                    written, request.Form, request.ConnectionId, request.Address, request.ReturnAddress, out count),
                RequestKind.Send => RequestWriter.TryWriteSend(
                    written, request.Form, request.ConnectionId, request.Sequence, request.Closed, request.Payload, out count),
                RequestKind.Query => RequestWriter.TryWriteQuery(written, request.Form, request.Query, out count),
                RequestKind.Control => RequestWriter.TryWriteControl(written, request.Control, out count),
                _ => false,
            };
            Assert.True(fits);
            Assert.Equal(RequestStatus.Ok, Request.TryRead(written.AsSpan(0, count), out Request again));
            bool same = again.Kind == request.Kind && again.Form == request.Form && again.Control == request.Control
                && again.Query == request.Query && again.ConnectionId == request.ConnectionId && again.Closed == request.Closed
                && again.Sequence == request.Sequence && again.Payload.SequenceEqual(request.Payload)
                && again.Address.SequenceEqual(request.Address) && again.ReturnAddress.SequenceEqual(request.ReturnAddress);
            Assert.True(same, Convert.ToHexString(message, 0, length));
        }

        // Every branch of the reader was reached.
        foreach (RequestStatus status in Enum.GetValues<RequestStatus>())
            Assert.True(seen[(int)status] > 0, status.ToString());
    }

    [Fact]
    public void ResponsesNeverThrowAndRoundTrip()
    {
        var random = new Random(2);
        byte[][] seeds = ResponseSeeds();
        byte[] message = new byte[256];
        byte[] written = new byte[512];
        var seen = new int[Enum.GetValues<ResponseStatus>().Length];
        for (int i = 0; i < Inputs; i++)
        {
            int length = Mutate(random, seeds, message);
            ResponseStatus status = Response.TryRead(message.AsSpan(0, length), out Response response);
            seen[(int)status]++;
            if (status != ResponseStatus.Ok)
                continue;
            int rules = 0;
            foreach (ExitPolicyEntryView entry in response.Policy)
                rules += entry.Pattern.Length >= 0 ? 1 : 0;
            Assert.Equal(response.Policy.Count, rules);
            int count = 0;
            bool fits = response.Kind switch
            {
                ResponseKind.NetworkData => ResponseWriter.TryWriteNetworkData(
                    written, response.Form, response.ConnectionId, response.Sequence, response.Closed, response.Payload, out count),
                ResponseKind.ConnectionError => ResponseWriter.TryWriteConnectionError(
                    written, response.Form, response.ConnectionId, response.Text, out count),
                ResponseKind.Control => ResponseWriter.TryWriteControl(written, response.Control, response.Text, out count),
                ResponseKind.Query => response.Query switch
                {
                    QueryKind.OpenProxy => ResponseWriter.TryWriteOpenProxy(written, response.Enabled, out count),
                    QueryKind.Description => ResponseWriter.TryWriteDescription(written, response.Text, out count),
                    QueryKind.Error => ResponseWriter.TryWriteQueryError(written, response.Text, out count),
                    _ => ResponseWriter.TryWriteExitPolicy(
                        written, response.Enabled, System.Text.Encoding.UTF8.GetString(response.Upstream), Rules(response), out count),
                },
                _ => false,
            };
            Assert.True(fits);
            Assert.Equal(ResponseStatus.Ok, Response.TryRead(written.AsSpan(0, count), out Response again));
            bool same = again.Kind == response.Kind && again.Control == response.Control && again.Query == response.Query
                && (again.Form == response.Form || response.Kind == ResponseKind.Query)
                && again.ConnectionId == response.ConnectionId && again.Closed == response.Closed
                && again.Sequence == response.Sequence && again.Payload.SequenceEqual(response.Payload)
                && again.Text.SequenceEqual(response.Text) && again.Enabled == response.Enabled
                && again.Upstream.SequenceEqual(response.Upstream) && again.Policy.Count == response.Policy.Count;
            Assert.True(same, Convert.ToHexString(message, 0, length));
        }

        foreach (ResponseStatus status in Enum.GetValues<ResponseStatus>())
            Assert.True(seen[(int)status] > 0, status.ToString());
    }

    [Fact]
    public void VarintsRoundTripInTheirShortestForm()
    {
        var random = new Random(3);
        byte[] bytes = new byte[9];
        for (int i = 0; i < Inputs; i++)
        {
            ulong value = (ulong)random.NextInt64(long.MinValue, long.MaxValue) >> random.Next(64);
            var writer = new BincodeWriter(bytes);
            Assert.True(writer.TryWriteVarint(value));
            Assert.Equal(value <= 250 ? 1 : value <= ushort.MaxValue ? 3 : value <= uint.MaxValue ? 5 : 9, writer.Written);
            var reader = new BincodeReader(bytes.AsSpan(0, writer.Written));
            Assert.True(reader.TryReadVarint(out ulong again) && reader.AtEnd);
            Assert.Equal(value, again);
            var cut = new BincodeReader(bytes.AsSpan(0, writer.Written - 1));
            Assert.False(cut.TryReadVarint(out _));
        }
    }

    [Fact]
    public void DestinationsNeverThrow()
    {
        var random = new Random(4);
        byte[][] seeds = ["example.com:443"u8.ToArray(), "[2606:4700::1111]:443"u8.ToArray(), "1.2.3.4:80"u8.ToArray()];
        byte[] text = new byte[64];
        int accepted = 0;
        for (int i = 0; i < Inputs; i++)
        {
            int length = Mutate(random, seeds, text);
            if (!DestinationText.TryRead(text.AsSpan(0, length), out ReadOnlySpan<byte> host, out ushort port))
                continue;
            Assert.True(port > 0 && host.Length > 0 && text.AsSpan(0, length).StartsWith(host));
            accepted++;
        }

        Assert.InRange(accepted, Inputs / 10, Inputs * 9 / 10);
    }

    [Fact]
    public void FailuresAreToldByTheWordBeforeTheColon()
    {
        var random = new Random(6);
        string[] words = ["refused", "unreachable", "network-unreachable", "denied", "not-found", "resolver", "timeout", "malformed", "limit"];
        byte[][] seeds = [.. Enum.GetValues<ConnectFailure>().Select(failure => ConnectFailureText.For(failure).ToArray())];
        byte[] text = new byte[128];
        int known = 0;
        for (int i = 0; i < Inputs; i++)
        {
            string said = System.Text.Encoding.Latin1.GetString(text, 0, Mutate(random, seeds, text));
            int word = Array.IndexOf(words, said.Split(':')[0]);
            ConnectFailure expected = word >= 0 && said.Contains(':', StringComparison.Ordinal)
                ? Enum.Parse<ConnectFailure>(words[word].Replace("-", "", StringComparison.Ordinal), ignoreCase: true)
                : said.EndsWith("failed filter check", StringComparison.Ordinal) ? ConnectFailure.Denied : ConnectFailure.Unknown;
            ConnectFailure parsed = ConnectFailureText.Parse(System.Text.Encoding.Latin1.GetBytes(said));
            Assert.True(parsed == expected, said);
            known += parsed == ConnectFailure.Unknown ? 0 : 1;
        }

        Assert.InRange(known, Inputs / 10, Inputs * 9 / 10);
    }

    [Fact]
    public void ControlJsonNeverThrows()
    {
        var random = new Random(5);
        byte[][] seeds = [SupportedVersions.OwnJson.ToArray(), "{\"a\\ud800\":\"\\ud800\"}"u8.ToArray()];
        byte[] json = new byte[512];
        byte[][] binary = [new BinaryInformation { BuildVersion = "1" }.ToJson()];
        int versionsRead = 0;
        int informationRead = 0;
        for (int i = 0; i < Inputs; i++)
        {
            int length = Mutate(random, seeds, json);
            if (SupportedVersions.TryParse(json.AsSpan(0, length), out SupportedVersions versions))
            {
                versionsRead++;
                Assert.True(versions.Interface is null or (>= 0 and <= 255));
            }

            length = Mutate(random, binary, json);
            if (BinaryInformation.TryParse(json.AsSpan(0, length), out BinaryInformation information))
            {
                informationRead++;
                Assert.True(BinaryInformation.TryParse(information.ToJson(), out BinaryInformation again));
                Assert.Equal(information, again);
            }
        }

        Assert.True(versionsRead > 1000 && informationRead > 1000);
    }

    private static int Mutate(Random random, byte[][] seeds, byte[] message)
    {
        int length;
        if (random.Next(4) == 0)
        {
            length = random.Next(40);
            random.NextBytes(message.AsSpan(0, length));
            for (int i = 0; i < Math.Min(4, length); i++)
            {
                if (random.Next(2) == 0)
                    message[i] = (byte)random.Next(5);
            }

            return length;
        }

        byte[] seed = seeds[random.Next(seeds.Length)];
        seed.CopyTo(message, 0);
        length = seed.Length;
        for (int changes = random.Next(4); changes > 0; changes--)
        {
            switch (random.Next(4))
            {
                case 0:
                    length = random.Next(length + 1);
                    break;
                case 1:
                    if (length < message.Length)
                        message[length++] = (byte)random.Next(256);
                    break;
                case 2:
                    if (length > 0)
                        message[random.Next(Math.Min(length, 8))] = (byte)random.Next(256);
                    break;
                default:
                    if (length > 0)
                        message[random.Next(length)] = (byte)random.Next(256);
                    break;
            }
        }

        return length;
    }

    private static byte[][] RequestSeeds()
    {
        var seeds = new List<byte[]>();
        byte[] bytes = new byte[256];
        foreach (MessageForm form in Enum.GetValues<MessageForm>())
        {
            RequestWriter.TryWriteConnect(bytes, form, 7, "example.com:443"u8, [], out int count);
            seeds.Add(bytes[..count]);
            RequestWriter.TryWriteConnect(bytes, form, 7, "example.com:443"u8, new byte[96], out count);
            seeds.Add(bytes[..count]);
            RequestWriter.TryWriteSend(bytes, form, 7, 8, true, "payload"u8, out count);
            seeds.Add(bytes[..count]);
            RequestWriter.TryWriteQuery(bytes, form, QueryKind.ExitPolicy, out count);
            seeds.Add(bytes[..count]);
        }

        RequestWriter.TryWriteControl(bytes, ControlKind.BinaryInformation, out int control);
        seeds.Add(bytes[..control]);
        return [.. seeds];
    }

    private static byte[][] ResponseSeeds()
    {
        var seeds = new List<byte[]>();
        byte[] bytes = new byte[256];
        foreach (MessageForm form in Enum.GetValues<MessageForm>())
        {
            ResponseWriter.TryWriteNetworkData(bytes, form, 7, 8, true, "payload"u8, out int count);
            seeds.Add(bytes[..count]);
            ResponseWriter.TryWriteConnectionError(bytes, form, 7, "refused: no"u8, out count);
            seeds.Add(bytes[..count]);
        }

        ResponseWriter.TryWriteControl(bytes, ControlKind.Error, "{}"u8, out int control);
        seeds.Add(bytes[..control]);
        ResponseWriter.TryWriteOpenProxy(bytes, true, out control);
        seeds.Add(bytes[..control]);
        ResponseWriter.TryWriteDescription(bytes, "description"u8, out control);
        seeds.Add(bytes[..control]);
        ResponseWriter.TryWriteExitPolicy(
            bytes,
            true,
            "u",
            [new(ExitPolicyAction.Reject6, "fc00::/7", 1, 65535), new(ExitPolicyAction.Accept, "*", 80, 81)],
            out control);
        seeds.Add(bytes[..control]);
        return [.. seeds];
    }

    private static List<ExitPolicyEntry>? Rules(Response response)
    {
        if (!response.HasPolicy)
            return null;
        var rules = new List<ExitPolicyEntry>();
        foreach (ExitPolicyEntryView entry in response.Policy)
        {
            rules.Add(new ExitPolicyEntry(
                entry.Action, System.Text.Encoding.UTF8.GetString(entry.Pattern), entry.FirstPort, entry.LastPort));
        }

        return rules;
    }
}
