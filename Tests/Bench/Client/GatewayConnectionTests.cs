using System.Net;
using System.Security.Cryptography;
using FastExit.Bench.Client;
using FastExit.Bench.Lab;
using FastExit.Bench.Lab.Entry;
using FastExit.Crypto.EndToEnd;
using FastExit.Tests.Bench.Lab.Entry;
using Xunit;

namespace FastExit.Tests.Bench.Client;

/// <summary>Our client's connection to a real entry gateway: what comes and goes, and what it does when the gateway does.</summary>
public sealed class GatewayConnectionTests
{
    [Theory]
    [InlineData(4, KeyRotation.Unknown)]
    [InlineData(6, KeyRotation.Even)]
    [InlineData(9, KeyRotation.Even)]
    public async Task Packets_go_out_and_deliveries_come_in(byte announced, KeyRotation rotation)
    {
        await using EntryWorld world = await EntryWorld.StartAsync(new EntrySettings { AnnouncedProtocol = announced });
        var (connection, client, inbox) = Connect(world);
        using (connection)
        {
            await connection.Ready.WaitAsync(TimeSpan.FromSeconds(20));
            byte[][] packets = [.. Enumerable.Range(0, 200).Select(_ => RandomNumberGenerator.GetBytes(2413))];
            foreach (byte[] packet in packets)
                connection.Send(world.NextHop, MixPacket.Copy(packet, PacketSize.Regular, KeyRotation.Even));
            var arrived = await world.ArrivedAsync(packets.Length);
            Assert.Equal(packets, arrived.Select(packet => packet.Bytes));
            Assert.All(arrived, packet => Assert.Equal(rotation, packet.Rotation));
            for (byte i = 0; i < 100; i++)
                Assert.True(world.Deliver(client.Address.Identity.ToArray(), [i, .. new byte[1642]]));
            Assert.Equal(Enumerable.Range(0, 100), (await inbox.UntilAsync(100)).Select(payload => (int)payload[0]));
            Assert.Equal(1, connection.Connections);
        }
    }

    [Fact]
    public async Task After_a_restart_of_the_gateway_it_is_known_again_and_takes_what_was_kept()
    {
        var settings = new EntrySettings();
        await using EntryWorld world = await EntryWorld.StartAsync(settings);
        IPEndPoint address = world.Listener.Address;
        var (connection, client, inbox) = Connect(world);
        using (connection)
        {
            await connection.Ready.WaitAsync(TimeSpan.FromSeconds(20));
            long registrations = world.Listener.Counters[EntryCounter.Registrations];
            await world.RestartAsync(settings, address);
            byte[] packet = RandomNumberGenerator.GetBytes(2413);
            connection.Send(world.NextHop, MixPacket.Copy(packet, PacketSize.Regular, KeyRotation.Odd));
            Assert.True(world.Deliver(client.Address.Identity.ToArray(), new byte[21]));
            Assert.Equal(packet, (await world.ArrivedAsync(1))[0].Bytes);
            Assert.Single(await inbox.UntilAsync(1));
            Assert.Equal(1, registrations);
            Assert.Equal(0, world.Listener.Counters[EntryCounter.Registrations]);
        }
    }

    [Fact]
    public async Task A_gateway_that_forgot_its_clients_gets_a_new_registration()
    {
        await using EntryWorld world = await EntryWorld.StartAsync();
        IPEndPoint address = world.Listener.Address;
        var (connection, _, _) = Connect(world);
        using (connection)
        {
            await connection.Ready.WaitAsync(TimeSpan.FromSeconds(20));
            await world.RestartAsync(new EntrySettings(), address, forget: true);
            byte[] packet = RandomNumberGenerator.GetBytes(2413);
            connection.Send(world.NextHop, MixPacket.Copy(packet, PacketSize.Regular, KeyRotation.Odd));
            Assert.Equal(packet, (await world.ArrivedAsync(1))[0].Bytes);
            Assert.Equal(1, world.Listener.Counters[EntryCounter.Registrations]);
        }
    }

    [Fact]
    public async Task Bandwidth_is_claimed_before_it_runs_out()
    {
        await using EntryWorld world = await EntryWorld.StartAsync(new EntrySettings { FirstBandwidth = 0, ClaimedBandwidth = 40_010_000 });
        var (connection, _, _) = Connect(world);
        using (connection)
        {
            await connection.Ready.WaitAsync(TimeSpan.FromSeconds(20));
            int sent = 0;
            while (world.Listener.Counters[EntryCounter.Forwarded] < 30)
            {
                Assert.True(sent++ < 2000);
                connection.Send(world.NextHop, MixPacket.Copy(new byte[2413], PacketSize.Regular, KeyRotation.Odd));
                await Task.Delay(5);
            }
        }
    }

    [Fact]
    public async Task Another_gateway_on_the_address_is_not_trusted()
    {
        await using EntryWorld world = await EntryWorld.StartAsync();
        string said = "";
        using var connection = new GatewayConnection(
            new Uri($"ws://{world.Listener.Address}"), NodeKeys.Generate().Identity, line => Volatile.Write(ref said, line));
        connection.Attach(ClientIdentity.Generate(world.Keys.Identity), new Inbox());
        for (int i = 0; i < 500 && Volatile.Read(ref said).Length == 0; i++)
            await Task.Delay(10);
        Assert.Contains("another gateway", said, StringComparison.Ordinal);
        Assert.False(connection.Ready.IsCompleted);
        Assert.Equal(0, world.Listener.Counters[EntryCounter.Registrations]);
    }

    private static (GatewayConnection Connection, ClientIdentity Client, Inbox Inbox) Connect(EntryWorld world)
    {
        var connection = new GatewayConnection(new Uri($"ws://{world.Listener.Address}"), world.Keys.Identity, _ => { });
        ClientIdentity client = ClientIdentity.Generate(world.Keys.Identity);
        var inbox = new Inbox();
        connection.Attach(client, inbox);
        return (connection, client, inbox);
    }

    private sealed class Inbox : IDeliveryTarget
    {
        private readonly List<byte[]> _payloads = [];

        public bool Deliver(ReadOnlySpan<byte> payload)
        {
            lock (_payloads)
                _payloads.Add(payload.ToArray());
            return true;
        }

        public async Task<byte[][]> UntilAsync(int count)
        {
            for (int i = 0; i < 1000; i++)
            {
                lock (_payloads)
                {
                    if (_payloads.Count >= count)
                        return [.. _payloads];
                }

                await Task.Delay(10);
            }

            throw new TimeoutException("the deliveries did not come");
        }
    }
}
