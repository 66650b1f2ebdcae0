using System.Security.Cryptography;
using System.Text;
using System.Text.Json.Nodes;
using FastExit.Bench.Client;
using FastExit.Bench.Lab;
using FastExit.Bench.Lab.Entry;
using FastExit.Crypto.EndToEnd;
using Xunit;

namespace FastExit.Tests.Bench.Lab.Entry;

/// <summary>The entry gateway, driven as entry-and-directory.md §2 has it.</summary>
public sealed class EntryGatewayTests
{
    private static long Now => DateTimeOffset.UtcNow.ToUnixTimeSeconds();

    [Theory]
    [InlineData(3)]
    [InlineData(4)]
    [InlineData(5)]
    [InlineData(6)]
    public async Task A_client_registers_comes_again_sends_and_is_pushed_to(int protocol)
    {
        await using EntryWorld world = await EntryWorld.StartAsync();
        using ClientDriver client = world.Client();
        await client.ConnectAsync();
        Assert.Equal(6, await client.SupportedProtocolAsync());
        JsonObject registered = (await client.RegisterAsync(protocol))!;
        Assert.Equal($$"""{"type":"register","protocol_version":{{protocol}},"status":true,"upgrade_mode":false}""", registered.ToJsonString());
        await client.CloseAsync();

        await client.ConnectAsync();
        Assert.Equal(6, await client.SupportedProtocolAsync());
        await client.SendAsync(protocol == 3 ? client.AuthenticateV1(3) : client.AuthenticateV2(protocol, Now));
        JsonObject known = (await client.ReceiveTextAsync())!;
        Assert.Equal(
            $$"""{"type":"authenticate","protocol_version":{{protocol}},"status":true,"bandwidth_remaining":1000000000000,"upgrade_mode":false}""",
            known.ToJsonString());

        int sent = 0;
        foreach ((int bytes, PacketSize size) in new[] { (386, PacketSize.Acknowledgement), (2413, PacketSize.Regular), (8557, PacketSize.Extended8) })
        {
            byte[] sphinx = RandomNumberGenerator.GetBytes(bytes);
            byte kind = protocol >= 5 ? (byte)2 : (byte)1;
            byte[] frame = client.Frame(kind, world.MixPacket(kind, sphinx));
            if (bytes == 2413)
                Assert.Equal(kind == 1 ? 2451 : 2452, frame.Length);
            await client.SendBinaryAsync(frame);
            var arrived = (await world.ArrivedAsync(++sent))[^1];
            Assert.Equal(sphinx, arrived.Bytes);
            Assert.Equal(size, arrived.Size);
            Assert.Equal(kind == 1 ? KeyRotation.Unknown : KeyRotation.Odd, arrived.Rotation);
        }

        byte[] pushed = RandomNumberGenerator.GetBytes(1643);
        Assert.True(world.Deliver(client.Identity, pushed));
        Assert.Equal(pushed, await client.ReceivePushAsync());
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    public async Task An_old_client_stays_on_the_connection_of_its_registration(int protocol)
    {
        await using EntryWorld world = await EntryWorld.StartAsync();
        using ClientDriver client = await world.RegisteredAsync(protocol);
        await client.SendAsync(new JsonObject { ["type"] = "claimFreeTestnetBandwidth" });
        JsonObject bandwidth = (await client.ReceiveTextAsync())!;
        Assert.Equal(1_000_000_000_000 + (64L << 30), (long)bandwidth["available_total"]!);

        var key = new LegacySharedKey(client.Key);
        byte[] packet = world.MixPacket(1, RandomNumberGenerator.GetBytes(2413)), frame = new byte[packet.Length + 32];
        packet.CopyTo(key.PayloadOf(frame));
        key.Seal(1, frame);
        Assert.Equal(2453, frame.Length);
        await client.SendBinaryAsync(frame);
        Assert.Equal(packet[8..], (await world.ArrivedAsync(1))[0].Bytes);

        byte[] pushed = RandomNumberGenerator.GetBytes(1643);
        Assert.True(world.Deliver(client.Identity, pushed));
        byte[] received = (await client.ReceiveAsync())!.Value.Bytes;
        Assert.True(key.TryOpen(received, out _, out Span<byte> opened));
        Assert.Equal(pushed, opened.ToArray());

        await client.CloseAsync();
        await client.ConnectAsync();
        await client.SendAsync(client.AuthenticateV1(protocol));
        Assert.Equal("authenticate", (string)(await client.ReceiveTextAsync())!["type"]!);
    }

    [Fact]
    public async Task Keys_outlive_the_gateway_and_used_timestamps_too()
    {
        await using EntryWorld world = await EntryWorld.StartAsync();
        using ClientDriver client = await world.RegisteredAsync();
        await client.CloseAsync();
        long now = Now;
        await client.ConnectAsync();
        await client.SendAsync(client.AuthenticateV2(6, now));
        Assert.Equal("authenticate", (string)(await client.ReceiveTextAsync())!["type"]!);
        await world.RestartAsync();
        using ClientDriver again = new(new Uri($"ws://{world.Listener.Address}/"), world.Keys.Identity) { Seed = client.Seed, Key = client.Key };
        await again.ConnectAsync();
        await again.SendAsync(again.AuthenticateV2(6, now));
        Assert.Contains("timestamp", (string)(await again.ReceiveTextAsync())!["message"]!, StringComparison.Ordinal);
        await again.ConnectAsync();
        await again.SendAsync(again.AuthenticateV2(6, now + 1));
        Assert.Equal("authenticate", (string)(await again.ReceiveTextAsync())!["type"]!);
        Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(world.ClientsFile));
    }

    [Theory]
    [InlineData("signature")]
    [InlineData("old")]
    [InlineData("ahead")]
    [InlineData("key")]
    [InlineData("stranger")]
    public async Task A_wrong_authentication_is_refused_and_closed(string wrong)
    {
        await using EntryWorld world = await EntryWorld.StartAsync();
        using ClientDriver known = await world.RegisteredAsync();
        await known.CloseAsync();
        using ClientDriver client = wrong == "stranger" ? world.Client() : known;
        if (wrong == "stranger")
            client.Key = known.Key;
        await client.ConnectAsync();
        await client.SendAsync(client.AuthenticateV2(
            6,
            wrong switch { "old" => Now - 125, "ahead" => Now + 125, _ => Now },
            spoilSignature: wrong == "signature",
            key: wrong == "key" ? RandomNumberGenerator.GetBytes(32) : null));
        JsonObject answer = (await client.ReceiveTextAsync())!;
        Assert.Equal("error", (string)answer["type"]!);
        string part = wrong switch { "signature" => "signature", "key" => "encrypted", "stranger" => "not registered", _ => "timestamp" };
        Assert.Contains(part, (string)answer["message"]!, StringComparison.Ordinal);
        Assert.Null(await client.ReceiveAsync());
        Assert.Equal(1, world.Listener.Counters[EntryCounter.Refused]);
    }

    [Fact]
    public async Task A_wrong_signature_ends_a_registration()
    {
        await using EntryWorld world = await EntryWorld.StartAsync();
        using ClientDriver client = world.Client();
        await client.ConnectAsync();
        JsonObject answer = (await client.RegisterAsync(6, spoilSignature: true))!;
        Assert.Equal([0], ClientDriver.Bytes(answer["data"]!));
        Assert.Equal("error", (string)(await client.ReceiveTextAsync())!["type"]!);
        Assert.Null(await client.ReceiveAsync());
        await client.ConnectAsync();
        await client.SendAsync(client.AuthenticateV2(6, Now));
        Assert.Contains("not registered", (string)(await client.ReceiveTextAsync())!["message"]!, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_timestamp_serves_once()
    {
        await using EntryWorld world = await EntryWorld.StartAsync();
        using ClientDriver client = await world.RegisteredAsync();
        await client.CloseAsync();
        JsonObject request = client.AuthenticateV2(6, Now);
        string text = request.ToJsonString();
        await client.ConnectAsync();
        await client.SendTextAsync(text);
        Assert.Equal("authenticate", (string)(await client.ReceiveTextAsync())!["type"]!);
        await client.CloseAsync();
        await client.ConnectAsync();
        await client.SendTextAsync(text);
        Assert.Contains("used before", (string)(await client.ReceiveTextAsync())!["message"]!, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_second_connection_of_a_live_client_is_refused_one_of_a_dead_client_takes_over()
    {
        await using EntryWorld world = await EntryWorld.StartAsync(new EntrySettings { DuplicatePing = TimeSpan.FromMilliseconds(300) });
        using ClientDriver client = await world.RegisteredAsync();
        Task<byte[]?> receiving = client.ReceivePushAsync();
        using ClientDriver second = new(new Uri($"ws://{world.Listener.Address}/"), world.Keys.Identity) { Seed = client.Seed, Key = client.Key };
        await second.ConnectAsync();
        await second.SendAsync(second.AuthenticateV2(6, Now));
        Assert.Contains("another connection", (string)(await second.ReceiveTextAsync())!["message"]!, StringComparison.Ordinal);
        byte[] pushed = RandomNumberGenerator.GetBytes(21);
        Assert.True(world.Deliver(client.Identity, pushed));
        Assert.Equal(pushed, await receiving);

        // Nobody reads on the old connection any more, so nobody answers its ping.
        await second.ConnectAsync();
        await second.SendAsync(second.AuthenticateV2(6, Now + 1));
        Assert.Equal("authenticate", (string)(await second.ReceiveTextAsync())!["type"]!);
        Assert.True(world.Deliver(client.Identity, pushed));
        Assert.Equal(pushed, await second.ReceivePushAsync());
    }

    [Fact]
    public async Task Who_says_goodbye_may_come_again_at_once()
    {
        await using EntryWorld world = await EntryWorld.StartAsync();
        for (int i = 0; i < 100; i++)
        {
            using var connection = new GatewayConnection(
                new Uri($"ws://{world.Listener.Address}"), world.Keys.Identity, line => throw new InvalidOperationException(line));
            connection.Attach(ClientIdentity.Generate(world.Keys.Identity), new Nobody());
            await connection.Ready.WaitAsync(TimeSpan.FromSeconds(20));
        }

        Assert.Equal(100, world.Listener.Counters[EntryCounter.Authentications]);
    }

    private sealed class Nobody : IDeliveryTarget
    {
        public bool Deliver(ReadOnlySpan<byte> payload) => true;
    }

    [Fact]
    public async Task What_came_while_a_client_was_away_comes_before_the_answer()
    {
        await using EntryWorld world = await EntryWorld.StartAsync(new EntrySettings { StoredPushes = 10 });
        using ClientDriver client = await world.RegisteredAsync();
        await client.CloseAsync();
        await world.UntilAwayAsync(client.Identity);
        for (byte i = 0; i < 14; i++)
            Assert.Equal(i < 10, world.Deliver(client.Identity, [i, .. new byte[1642]]));
        await client.ConnectAsync();
        await client.SendAsync(client.AuthenticateV2(6, Now));
        for (byte i = 0; i < 10; i++)
            Assert.Equal(i, (await client.ReceivePushAsync())![0]);
        Assert.True((await client.ReceiveAsync())!.Value.Text);
        Assert.Equal(4, world.Listener.Counters[EntryCounter.NotKept]);
    }

    [Fact]
    public async Task Garbage_of_one_client_ends_that_client_alone_and_without_an_error_message()
    {
        await using EntryWorld world = await EntryWorld.StartAsync(new EntrySettings { BadMessages = 5 });
        using ClientDriver good = await world.RegisteredAsync();
        using ClientDriver bad = await world.RegisteredAsync();
        byte[] sphinx = RandomNumberGenerator.GetBytes(2413);
        byte[][] garbage =
        [
            RandomNumberGenerator.GetBytes(2452),
            [1, 1],
            bad.Frame(7, world.MixPacket(2, sphinx)),
            bad.Frame(2, world.MixPacket(2, sphinx[..100])),
        ];
        foreach (byte[] frame in garbage)
            await bad.SendBinaryAsync(frame);
        await bad.SendBinaryAsync(bad.Frame(2, world.MixPacket(2, sphinx)));
        Assert.Equal(sphinx, (await world.ArrivedAsync(1))[0].Bytes);
        for (int i = 0; i < 5; i++)
            await bad.SendTextAsync("""{"type":"nonsense"}""");
        Assert.Null(await bad.ReceiveAsync());
        Assert.Equal(9, world.Listener.Counters[EntryCounter.BadMessages]);
        await good.SendBinaryAsync(good.Frame(2, world.MixPacket(2, sphinx)));
        Assert.Equal(2, (await world.ArrivedAsync(2)).Length);
    }

    [Theory]
    [InlineData("no json")]
    [InlineData("{}")]
    [InlineData("""{"type":"claimFreeTestnetBandwidth"}""")]
    [InlineData("""{"type":"handshakePayload","protocol_version":6,"data":[1,2,3]}""")]
    [InlineData("""{"type":"handshakePayload","protocol_version":6,"data":[1,2,300]}""")]
    public async Task A_stranger_with_something_else_is_told_and_closed(string text)
    {
        await using EntryWorld world = await EntryWorld.StartAsync();
        using ClientDriver client = world.Client();
        await client.ConnectAsync();
        await client.SendTextAsync(text);
        Assert.Equal("error", (string)(await client.ReceiveTextAsync())!["type"]!);
        Assert.Null(await client.ReceiveAsync());
    }

    [Fact]
    public async Task Packets_of_a_stranger_are_not_taken()
    {
        await using EntryWorld world = await EntryWorld.StartAsync();
        using ClientDriver client = world.Client();
        await client.ConnectAsync();
        await client.SendBinaryAsync(new byte[2452]);
        Assert.Equal("error", (string)(await client.ReceiveTextAsync())!["type"]!);
        Assert.Null(await client.ReceiveAsync());
    }

    [Fact]
    public async Task Who_only_asks_is_closed_in_the_end()
    {
        await using EntryWorld world = await EntryWorld.StartAsync(new EntrySettings { EarlyMessages = 3 });
        using ClientDriver client = world.Client();
        await client.ConnectAsync();
        for (int i = 0; i < 3; i++)
            Assert.Equal(6, await client.SupportedProtocolAsync());
        await client.SendAsync(new JsonObject { ["type"] = "supportedProtocol" });
        Assert.Equal("error", (string)(await client.ReceiveTextAsync())!["type"]!);
        Assert.Null(await client.ReceiveAsync());
    }

    [Fact]
    public async Task Who_says_nothing_is_closed()
    {
        await using EntryWorld world = await EntryWorld.StartAsync(new EntrySettings { FirstMessageTimeout = TimeSpan.FromMilliseconds(300) });
        using ClientDriver client = world.Client();
        await client.ConnectAsync();
        Assert.Null(await client.ReceiveAsync());
        Assert.Equal(1, world.Listener.Counters[EntryCounter.Refused]);
    }

    [Fact]
    public async Task A_torn_last_line_of_the_file_costs_nothing()
    {
        await using EntryWorld world = await EntryWorld.StartAsync();
        using ClientDriver client = await world.RegisteredAsync();
        await client.CloseAsync();
        await File.AppendAllTextAsync(world.ClientsFile, "0a1b");
        await world.RestartAsync();
        Assert.NotNull(world.Listener.Clients.Find(client.Identity));
    }

    [Fact]
    public async Task Bandwidth_runs_out_and_is_claimed_anew()
    {
        await using EntryWorld world = await EntryWorld.StartAsync(new EntrySettings { FirstBandwidth = 2422 });
        using ClientDriver client = await world.RegisteredAsync();
        byte[] packet = world.MixPacket(2, RandomNumberGenerator.GetBytes(2413));
        await client.SendBinaryAsync(client.Frame(2, packet));
        await client.SendBinaryAsync(client.Frame(2, packet));
        JsonObject error = (await client.ReceiveTextAsync())!;
        Assert.Equal("""{"type":"typedError","error":{"out_of_bandwidth":{"required":2422,"available":0}}}""", error.ToJsonString());
        await client.SendAsync(new JsonObject { ["type"] = "claimFreeTestnetBandwidth" });
        Assert.Equal(64L << 30, (long)(await client.ReceiveTextAsync())!["available_total"]!);
        await client.SendBinaryAsync(client.Frame(2, packet));
        Assert.Equal(2, (await world.ArrivedAsync(2)).Length);
    }

    [Fact]
    public async Task A_first_hop_outside_the_network_loses_the_packet_alone()
    {
        await using EntryWorld world = await EntryWorld.StartAsync();
        using ClientDriver client = await world.RegisteredAsync();
        byte[] packet = world.MixPacket(2, RandomNumberGenerator.GetBytes(2413)), elsewhere = [.. packet];
        elsewhere[8]++;
        await client.SendBinaryAsync(client.Frame(2, elsewhere));
        await client.SendBinaryAsync(client.Frame(2, packet));
        Assert.Single(await world.ArrivedAsync(1));
        Assert.Equal(1, world.Listener.Counters[EntryCounter.UnknownHops]);
        Assert.Equal(0, world.Listener.Counters[EntryCounter.BadMessages]);
    }

    [Fact]
    public async Task A_client_that_asks_to_be_forgotten_gets_its_answer_encrypted()
    {
        await using EntryWorld world = await EntryWorld.StartAsync();
        using ClientDriver client = await world.RegisteredAsync();
        byte[] nonce = RandomNumberGenerator.GetBytes(12);
        await client.SendAsync(new JsonObject
        {
            ["type"] = "encryptedRequest",
            ["ciphertext"] = ClientDriver.Numbers(client.SealJson(nonce, Encoding.UTF8.GetBytes("""{"ForgetMe":{"client":true,"stats":true}}"""))),
            ["nonce"] = ClientDriver.Numbers(nonce),
        });
        JsonObject answer = (await client.ReceiveTextAsync())!;
        Assert.Equal("encryptedResponse", (string)answer["type"]!);
        byte[] opened = client.OpenJson(ClientDriver.Bytes(answer["nonce"]!), ClientDriver.Bytes(answer["ciphertext"]!))!;
        Assert.Equal("""{"ForgetMeAck":{}}""", Encoding.UTF8.GetString(opened));
    }
}
